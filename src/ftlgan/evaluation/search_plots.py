"""Plots of identification: the CMC and FNIR over FPIR, in one color for each method."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

from collections.abc import Mapping

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ftlgan.evaluation.plots import line_styles
from ftlgan.look import LOOK, colour, label
from ftlgan.verification.identification.plots import label_plainly
from ftlgan.verification.identification.report import Curve, IdentificationReport, rank_name

LOWEST_RATE = 1e-3
"""The lowest end of the FNIR axis; curves below it are cut off."""


@style.context(LOOK)
def identification_plot(reports: Mapping[str, IdentificationReport], title: str) -> Figure:
    """Draw the CMC, and next to it FNIR over FPIR for the methods with enough non-mated searches.

    Args:
        reports: the report of each method.
        title: the title above both.
    """
    figure = Figure(figsize=(9.4, 3.9), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    lines = line_styles(reports)

    def draw(axes: Axes, method: str, curve: Curve, text: str) -> None:
        ink = colour(method)
        axes.fill_between(curve.at, curve.lo, curve.hi, step="post", color=ink, alpha=0.12, linewidth=0)
        axes.step(curve.at, curve.value, where="post", color=ink, linestyle=lines[method], label=text)

    for method, found in reports.items():
        rank_1 = found.metrics.get(rank_name(1))
        draw(left, method, found.cmc, label(method) + (f": rank-1 {rank_1.value:.3f}" if rank_1 else ""))
        if found.fnir:
            draw(right, method, found.fnir, label(method))
    left.set(xscale="log", xlim=(1, max([2, *(found.enrolled for found in reports.values())])), ylim=(None, 1.005))
    label_plainly(left.xaxis)
    left.set(xlabel="rank", ylabel="identification rate")
    if reports:
        left.legend(loc="lower right")
    right.set(xlabel="false positive identification rate (FPIR)", ylabel="false negative identification rate (FNIR)")
    curves = [found.fnir for found in reports.values() if found.fnir]
    if curves:
        drawn = np.concatenate([curve.value for curve in curves])
        lowest = max(LOWEST_RATE, drawn.min(where=drawn > 0, initial=1))
        right.set_yscale("log", nonpositive="clip")
        right.set(xscale="log", xlim=(min(curve.at[0] for curve in curves), 1), ylim=(0.8 * lowest, 1.1))
        label_plainly(right.xaxis)
        label_plainly(right.yaxis)
    else:
        right.text(0.5, 0.5, "too few non-mated searches", ha="center", va="center", transform=right.transAxes)
    return figure
