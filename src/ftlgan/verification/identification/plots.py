"""Plots: the CMC, and FNIR over FPIR."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ftlgan.look import LOOK
from ftlgan.verification.identification.report import Curve, IdentificationReport

COLOUR = "#0072B2"


@style.context(LOOK)
def cmc_plot(found: IdentificationReport, title: str) -> Figure:
    """Return a figure of the identification rate over the rank, on a logarithmic axis, as the first ranks matter most.

    Args:
        found: the report that `ftlgan.verification.identification.report.report` returned.
        title: the title above the curve.
    """
    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, found.cmc)
    axes.set(xscale="log", xlim=(1, max(2, found.enrolled)), ylim=(None, 1.005), title=title)
    label_plainly(axes.xaxis)
    axes.set(xlabel="rank", ylabel="identification rate")
    return figure


@style.context(LOOK)
def fnir_plot(found: IdentificationReport, curve: Curve, title: str) -> Figure:
    """Return a figure of FNIR over FPIR, both logarithmic. Where no search fails, the curve leaves the axes.

    Args:
        found: the report that `ftlgan.verification.identification.report.report` returned.
        curve: the `fnir` of the report.
        title: the title above the curve.
    """
    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, curve)
    drawn = np.concatenate([curve.value, curve.lo])
    lowest = drawn.min(where=drawn > 0, initial=1)
    axes.set(xlim=(curve.at[0], 1), ylim=(0.8 * lowest, 1.1), title=title)  # first: all may be 0, which has no log
    axes.set_yscale("log", nonpositive="clip")
    axes.set_xscale("log")
    label_plainly(axes.xaxis)
    label_plainly(axes.yaxis)
    axes.set(xlabel="false positive identification rate (FPIR)", ylabel="false negative identification rate (FNIR)")
    return figure


def _draw(axes: Axes, curve: Curve) -> None:
    axes.fill_between(curve.at, curve.lo, curve.hi, step="post", color=COLOUR, alpha=0.2, linewidth=0)
    axes.step(curve.at, curve.value, where="post", color=COLOUR)


def label_plainly(axis: Axis) -> None:
    """Write plain numbers on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
