"""How pictures look: the same in every plot, and the same bytes for the same figure."""

# pyright: reportUnknownMemberType=false
# matplotlib types its methods but for their keywords.

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DPI = 150
LOOK: Any = [
    "default",  # whatever matplotlibrc the user has
    {
        "figure.dpi": DPI,
        "font.size": 9,
        "axes.titlesize": 9,
        "figure.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e5e5e5",
        "legend.frameon": False,
    },
]
LABELS = {
    "hr": "HR",
    "lr": "LR",
    "realesrgan": "Real-ESRGAN",
    "gfpgan": "GFPGAN",
    "ftlgan": "FTLGAN",
    "no-triplet": "without triplet",
    "esrgan-like": "ESRGAN-like",
    "sface": "SFace",
}
COLOURS = {
    "hr": "#4d4d4d",
    "bicubic": "#0072B2",
    "realesrgan": "#009E73",
    "gfpgan": "#CC79A7",
    "ftlgan": "#D55E00",
    "no-triplet": "#332288",
    "esrgan-like": "#56B4E9",
}
OTHER_COLOURS = ["#000000", "#882255", "#999933", "#663300"]


def colour(method: str) -> str:
    """The colour of a method in every plot, as #rrggbb; a method we do not know gets one by its name.

    Source: the palette of Okabe & Ito, "Color universal design" (2008), made for colour-blind readers.
    """
    return COLOURS.get(method, OTHER_COLOURS[zlib.crc32(method.encode()) % len(OTHER_COLOURS)])


def label(name: str) -> str:
    """The name of a method or a recognizer as its authors write it."""
    return LABELS.get(name, name)


@style.context(LOOK)
def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, opaque and without date or software: the same figure, the same bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).save(path, format="PNG", optimize=True, dpi=(DPI, DPI))
