"""Plots: ROC curves, score densities, d' under each condition. A method has the same color in all plots."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

from ftlgan.evaluation.judging import Result, primary
from ftlgan.look import COLOURS, LOOK, colour, label
from ftlgan.verification.report import Report

OTHER_LINES: list[Any] = ["-", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1))]
"""The line styles of methods without their own color, in order, as two of them may share a color."""


@style.context(LOOK)
def roc_plot(reports: Mapping[str, Report], title: str) -> Figure:
    """Draw ROC curves with FMR on a logarithmic axis, as the differences between methods show at a low FMR.

    Args:
        reports: the report of each method.
        title: the title above the curves.
    """
    figure = Figure(figsize=(6.8, 3.9), layout="constrained")
    axes = figure.add_subplot()
    # Doddington's rule of 30: a rate that rests on fewer than 30 false matches is noise.
    lowest = min(0.1, 30 / min(found.impostor for found in reports.values()))
    lines = line_styles(reports)
    for method, found in reports.items():
        text = f"{label(method)}: AUC {found.metrics['auc'].value:.3f}"
        axes.plot(found.roc.fmr, found.roc.tmr, color=colour(method), linestyle=lines[method], label=text)
    chance = np.geomspace(lowest, 1, 200)
    axes.plot(chance, chance, color="#999999", linewidth=1, linestyle=":", label="chance", zorder=1)
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01), title=title)
    axes.set(xlabel="false match rate (FMR)", ylabel="1 − false non-match rate (FNMR)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))  # outside the axes, as it would hide curves
    return figure


@style.context(LOOK)
def score_plot(reports: Mapping[str, Report], title: str) -> Figure:
    """Draw the densities of genuine (filled) and impostor (outlined) scores, a panel for each method.

    Args:
        reports: the report of each method.
        title: the title above the panels.
    """
    figure = Figure(figsize=(5.2, 0.9 + 1.2 * len(reports)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(reports), sharex=True, sharey=True, squeeze=False)[:, 0]
    occupied: list[float] = []
    for axes, (method, found) in zip(panels, reports.items(), strict=True):
        score, genuine, impostor = found.density
        axes.fill_between(score, genuine, step="mid", color=colour(method), alpha=0.45, linewidth=0, label="genuine")
        axes.step(score, impostor, where="mid", color=colour(method), linewidth=1.2, label="impostor")
        axes.set_title(f"{label(method)}: d' {found.metrics['d_prime'].value:.2f}", loc="left")
        axes.spines["left"].set_visible(False)
        occupied += score[genuine + impostor > 0].tolist()
    panels[0].legend(loc="best")
    panels[-1].set(xlim=(min(occupied) - 0.02, max(occupied) + 0.02), ylim=(0, None), yticks=[])
    panels[-1].set_xlabel("similarity (cosine)")
    return figure


@style.context(LOOK)
def condition_plot(results: Sequence[Result], judge: str, title: str) -> Figure:
    """Draw d' under lr-hr for each condition and method, with intervals; the ceiling is a line.

    Args:
        results: the results of all conditions, methods, judges and protocols.
        judge: the judge to show.
        title: the title above the plot.
    """
    conditions = list(dict.fromkeys(result.condition for result in results if result.condition))
    figure = Figure(figsize=(2.6 + 1.1 * len(conditions), 3.4), layout="constrained")
    axes = figure.add_subplot()
    methods = [result.method for result in primary(results, judge, conditions[0]) if result.condition]
    for place, method in enumerate(methods):
        found = [primary(results, judge, condition) for condition in conditions]
        estimates = [r.report.metrics["d_prime"] for rows in found for r in rows if r.method == method]
        values = np.array([estimate.value for estimate in estimates])
        ends = np.array([[estimate.lo, estimate.hi] for estimate in estimates], float)  # NaN where there is none
        at = np.arange(len(conditions)) + (place - (len(methods) - 1) / 2) * min(0.15, 0.8 / len(methods))
        reach = np.abs(ends - values[:, None]).T
        axes.errorbar(at, values, reach, fmt="o", color=colour(method), markersize=4, capsize=2, label=label(method))
    ceiling = next(result for result in results if result.judge == judge and not result.condition)
    height = ceiling.report.metrics["d_prime"].value
    axes.axhline(height, color=colour(ceiling.method), linestyle="--", linewidth=1, label=label(ceiling.method))
    axes.set_xticks(range(len(conditions)), conditions)
    axes.set(xlim=(-0.6, len(conditions) - 0.4), ylim=(0, None), ylabel="d' (lr-hr)", title=title)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def line_styles(methods: Iterable[str]) -> dict[str, Any]:
    """Return the style of each method's line: dashed for the ceiling, solid for methods with their own color."""
    others = [method for method in methods if method not in COLOURS]
    return dict.fromkeys(COLOURS, "-") | {"hr": "--"} | dict(zip(others, cycle(OTHER_LINES)))
