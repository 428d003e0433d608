"""Plots: log10 LR over the score, and the empirical cross-entropy over the prior odds."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

from collections.abc import Mapping

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ftlgan.look import LOOK
from ftlgan.verification.calibration.model import Calibration
from ftlgan.verification.calibration.report import PRIORS, CalibrationReport

COLOUR, BEST, NEUTRAL = "#0072B2", "#D55E00", "#4d4d4d"


@style.context(LOOK)
def calibration_plot(shown: Mapping[str, tuple[Calibration, CalibrationReport]]) -> Figure:
    """Return a figure of log10 LR over the score, for calibrations with their intervals and for PAV on the test people.

    Args:
        shown: the calibration and its report, by the title of each panel. Calibrations are shown bounded and within the
            range of their fit. Without any, the figure shows "no calibration".
    """
    figure, panels = _panels(max(1, len(shown)))
    if not shown:
        panels[0].text(0.5, 0.5, "no calibration", ha="center", va="center", transform=panels[0].transAxes)
        return figure
    lines = [calibration.line for calibration, _ in shown.values()]
    least, most = min(line.lower_bound for line in lines), max(line.upper_bound for line in lines)
    margin = 0.3 * (most - least) + 0.2
    low, high = least - margin, most + margin
    for axes, (title, (calibration, report)) in zip(panels, shown.items(), strict=True):
        line = calibration.line
        scores = np.linspace(line.lowest, line.highest, 400)
        found = calibration.apply(scores)
        begins, best = report.steps
        axes.step(
            np.append(begins, max(begins[-1], line.highest)),
            np.clip(np.append(best, best[-1]), low - 1, high + 1),  # infinite values end outside the axes
            where="post",
            color=BEST,
            linewidth=1,
            label="PAV of these people",
        )
        axes.fill_between(scores, found.lo, found.hi, color=COLOUR, alpha=0.2, linewidth=0)
        axes.plot(scores, found.log10, color=COLOUR, label="calibration")
        for bound in (line.lower_bound, line.upper_bound):
            axes.axhline(bound, color=NEUTRAL, linestyle=":", linewidth=1)
        axes.set(xlim=(line.lowest, line.highest), ylim=(low, high), xlabel=f"score ({calibration.score})", title=title)
    panels[0].set_ylabel("log10 LR")
    panels[0].legend(loc="best")
    return figure


@style.context(LOOK)
def entropy_plot(reports: Mapping[str, CalibrationReport]) -> Figure:
    """Return a figure of the empirical cross-entropy over the prior odds, a panel for each set of people.

    Args:
        reports: the reports, by the title of each panel.
    """
    figure, panels = _panels(len(reports))
    for axes, (title, report) in zip(panels, reports.items(), strict=True):
        calibrated, best, neutral = report.entropy
        axes.plot(PRIORS, neutral, color=NEUTRAL, linestyle=":", label="LR = 1")
        axes.plot(PRIORS, calibrated, color=COLOUR, label="calibration")
        axes.plot(PRIORS, best, color=BEST, linestyle="--", linewidth=1, label="PAV")
        axes.set(xlim=(PRIORS[0], PRIORS[-1]), ylim=(0, 1.05), xlabel="prior log10 odds of one person", title=title)
    panels[0].set_ylabel("empirical cross-entropy, bits")
    panels[0].legend(loc="best")
    return figure


def _panels(number: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(4.2 * number + 0.4, 3.6), layout="constrained")
    return figure, list(figure.subplots(1, number, sharey=True, squeeze=False)[0])
