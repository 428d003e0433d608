"""The common style of all plots. The same figure gives the same bytes."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

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
    "default",  # ignore the user's matplotlibrc
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
    """Return the color of a method in every plot, as #rrggbb. The color of an unknown method depends on its name.

    Source: the palette of Okabe & Ito, "Color universal design" (2008), made for color-blind readers.
    """
    return COLOURS.get(method, OTHER_COLOURS[zlib.crc32(method.encode()) % len(OTHER_COLOURS)])


def label(name: str) -> str:
    """Return the name of a method or a recognizer as its authors write it."""
    return LABELS.get(name, name)


@style.context(LOOK)
def save(figure: Figure, path: Path) -> None:
    """Write a figure as an opaque PNG without date or software version: the same figure gives the same bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).save(path, format="PNG", optimize=True, dpi=(DPI, DPI))
