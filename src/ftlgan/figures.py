"""Figures: ROC curves, score densities and contact sheets, a method in the same colour in all of them."""

# pyright: reportUnknownMemberType=false
# matplotlib types its methods but for their keywords.

import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ftlgan.faces import HR
from ftlgan.verification.report import Merits

Faces = Sequence[NDArray[np.uint8]]

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
OTHER_LINES: list[Any] = ["-", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1))]
"""Of methods that we do not know, in their order: two of them may have one colour."""
GUTTER = 6
"""Pixels between the faces of a contact sheet, and around them."""
HEADING = 26
"""Pixels above the faces of a contact sheet."""


def colour(method: str) -> str:
    """The colour of a method in every figure, as #rrggbb; a method we do not know gets one by its name.

    Source: the palette of Okabe & Ito, "Color universal design" (2008), made for colour-blind readers.
    """
    return COLOURS.get(method, OTHER_COLOURS[zlib.crc32(method.encode()) % len(OTHER_COLOURS)])


def label(method: str) -> str:
    """A method's name as its authors write it."""
    return LABELS.get(method, method)


@style.context(LOOK)
def roc_figure(merits: Mapping[str, Merits], title: str) -> Figure:
    """ROC curves, FMR on a logarithmic axis: a method's worth shows where few impostors may pass.

    Args:
        merits: of each method.
        title: above the curves.
    """
    figure = Figure(figsize=(6.8, 3.9), layout="constrained")
    axes = figure.add_subplot()
    # Doddington's rule of 30: a rate that fewer than 30 false matches stand for is noise.
    lowest = min(0.1, 30 / min(found.impostor for found in merits.values()))
    lines = _lines(merits)
    for method, found in merits.items():
        text = f"{label(method)}: AUC {found.figures['auc'].value:.3f}"
        axes.plot(found.roc.fmr, found.roc.tmr, color=colour(method), linestyle=lines[method], label=text)
    chance = np.geomspace(lowest, 1, 200)
    axes.plot(chance, chance, color="#999999", linewidth=1, linestyle=":", label="chance", zorder=1)
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01), title=title)
    axes.set(xlabel="false match rate (FMR)", ylabel="1 − false non-match rate (FNMR)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the axes: inside it would hide curves
    return figure


@style.context(LOOK)
def score_figure(merits: Mapping[str, Merits], title: str) -> Figure:
    """Densities of genuine (filled) and impostor (outlined) scores, a panel a method, all on the same axes.

    Args:
        merits: of each method.
        title: above the panels.
    """
    figure = Figure(figsize=(5.2, 0.9 + 1.2 * len(merits)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(merits), sharex=True, sharey=True, squeeze=False)[:, 0]
    occupied: list[float] = []
    for axes, (method, found) in zip(panels, merits.items(), strict=True):
        score, genuine, impostor = found.density
        axes.fill_between(score, genuine, step="mid", color=colour(method), alpha=0.45, linewidth=0, label="genuine")
        axes.step(score, impostor, where="mid", color=colour(method), linewidth=1.2, label="impostor")
        axes.set_title(f"{label(method)}: d' {found.figures['d_prime'].value:.2f}", loc="left")
        axes.spines["left"].set_visible(False)
        occupied += score[genuine + impostor > 0].tolist()
    panels[0].legend(loc="best")
    panels[-1].set(xlim=(min(occupied) - 0.02, max(occupied) + 0.02), ylim=(0, None), yticks=[])
    panels[-1].set_xlabel("similarity (cosine)")
    return figure


@style.context(LOOK)
def contact_sheet(columns: Mapping[str, Faces]) -> Figure:
    """Faces side by side, pixel by pixel; smaller ones enlarged so that their pixels are seen.

    The lowest bit of each colour is not kept: nobody sees it, and it would make a quarter of the file.

    Args:
        columns: method, or `hr` or `lr` -> faces, uint8 RGB (H, W, 3); row k of every column is the same photo.
            Without faces there is nothing but headings.

    Raises:
        ValueError: columns of different lengths.
    """
    rows = list(zip(*columns.values(), strict=True))
    side = max((max(face.shape[:2]) for row in rows for face in row), default=HR)
    width, height = (GUTTER + n * (side + GUTTER) for n in (len(columns), len(rows)))
    sheet = np.full((height + HEADING, width, 3), 255, dtype=np.uint8)
    for row, faces in enumerate(rows):
        for column, face in enumerate(faces):
            top, left = HEADING + GUTTER + row * (side + GUTTER), GUTTER + column * (side + GUTTER)
            sheet[top : top + side, left : left + side] = _enlarged(face, side) | 1

    figure = Figure(figsize=(width / DPI, (height + HEADING) / DPI))
    figure.figimage(sheet)
    middle = 1 - (HEADING + GUTTER) / 2 / (height + HEADING)
    for column, heading in enumerate(columns):
        centre = (GUTTER + side / 2 + column * (side + GUTTER)) / width
        ink = "black" if heading in ("hr", "lr") else colour(heading)
        figure.text(centre, middle, label(heading), ha="center", va="center", color=ink, size=7, weight="bold")
    return figure


@style.context(LOOK)
def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, opaque and with no word of when and by which software: the same figure, the same bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).save(path, format="PNG", optimize=True, dpi=(DPI, DPI))


def _lines(methods: Iterable[str]) -> dict[str, Any]:
    """The style of each method's line: dashed for the ceiling, whole for the methods we know."""
    others = [method for method in methods if method not in COLOURS]
    return dict.fromkeys(COLOURS, "-") | {"hr": "--"} | dict(zip(others, cycle(OTHER_LINES)))


def _enlarged(face: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Nearest neighbour to `side` x `side`."""
    rows, columns = (np.arange(side) * size // side for size in face.shape[:2])
    return face[rows[:, None], columns]
