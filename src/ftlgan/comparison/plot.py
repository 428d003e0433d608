"""A plot of d' against resolution."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

from collections.abc import Sequence
from textwrap import fill

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ftlgan.comparison.table import MEAN, PAPER, Row, methods_by_box
from ftlgan.evaluation.judging import CEILING, WHITE
from ftlgan.look import LOOK, colour, label

MARKERS = "osD^vP*X"
"""The markers of the methods in order, to tell them apart in grayscale too."""
TITLE_WIDTH = 45
"""The most characters of a panel's title that fit above it."""
SPACING = 0.06
"""The distance between methods in octaves of resolution, so that no interval hides another."""


@style.context(LOOK)
def resolution_plot(rows: Sequence[Row]) -> Figure:
    """Return a figure of d' over the resolution for each method and the ceiling, with a panel for each judge.

    The paper's own d' are left out, because the paper used other photos and another recognizer.

    Args:
        rows: the rows that `ftlgan.comparison.table.compare_runs` returned.
    """
    shown = [row for row in rows if row.res != MEAN and row.judge != PAPER]
    judges = list(dict.fromkeys(row.judge for row in shown))
    figure = Figure(figsize=(1.2 + 3.3 * len(judges), 4.1), layout="constrained")
    panels = figure.subplots(1, len(judges), squeeze=False, sharey=True)[0]
    for axes, judge in zip(panels, judges, strict=True):
        group = [row for row in shown if row.judge == judge]
        _draw(axes, group)
        axes.set_title(_title(judge, group))
    panels[0].set(ylabel="d'", ylim=(0, None))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _title(judge: str, rows: Sequence[Row]) -> str:
    white = methods_by_box(rows)[WHITE]
    role = f"in the loss of {', '.join(map(label, white))}" if white else "in no loss"
    return f"judged by {label(judge)}:\n{fill(role, TITLE_WIDTH)}"


def _draw(axes: Axes, rows: Sequence[Row]) -> None:
    ceiling = next(row.d_prime for row in rows if row.method == CEILING)
    axes.axhline(ceiling, color=colour(CEILING), linestyle="--", label=f"{label(CEILING)}, the ceiling")
    names = [name for name in dict.fromkeys(row.method for row in rows) if name != CEILING]
    for index, name in enumerate(names):
        own = [row for row in rows if row.method == name]
        d_prime = [row.d_prime for row in own]
        # With two or three people, d' may lie outside its percentile interval; errorbar would raise an error.
        lower = [0 if row.d_prime_lo is None else max(0, row.d_prime - row.d_prime_lo) for row in own]
        upper = [0 if row.d_prime_hi is None else max(0, row.d_prime_hi - row.d_prime) for row in own]
        x = [int(row.res) * 2 ** (SPACING * (index - (len(names) - 1) / 2)) for row in own]
        marker = MARKERS[index % len(MARKERS)]
        axes.errorbar(
            x, d_prime, [lower, upper], color=colour(name), marker=marker, markersize=5, capsize=2, label=label(name)
        )
    resolutions = dict.fromkeys(row.res for row in rows)
    axes.set_xscale("log", base=2)
    axes.set_xticks([int(res) for res in resolutions], list(resolutions))
    axes.minorticks_off()
    axes.set_xlabel("width of the low-resolution face, pixels")
