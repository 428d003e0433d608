"""The headline as Markdown, which MLflow shows at the top of an experiment."""

from collections.abc import Sequence

from ftlgan.evaluation.judging import BASELINE, CEILING, Result, primary
from ftlgan.verification.report import Estimate, paired_difference


def description(results: Sequence[Result], judge: str, conditions: Sequence[str], res: int, confidence: float) -> str:
    """Return a table of d' of the ceiling and of each method, and the gain of each method over the baseline.

    Methods are columns, not rows, because MLflow shows only the first lines.

    Args:
        results: the results of all conditions, methods, judges and protocols.
        judge: the judge of the headline.
        conditions: the conditions of the test faces, the headline's first.
        res: width and height of the small faces, pixels.
        confidence: the level of the intervals, in (0, 1).
    """
    methods = [result.method for result in primary(results, judge, conditions[0])]
    lines = [["", *methods], ["---"] * (len(methods) + 1)]
    for condition in conditions:
        shown = primary(results, judge, condition)
        d_primes = [_estimate(result.report.metrics["d_prime"], ".2f") for result in shown]
        lines.append([f"{condition} faces, d' [{confidence:.0%} interval]", *d_primes])
        gains = _gains(shown, confidence)
        if any(gains):
            lines.append([f"minus {BASELINE}, paired", *gains])
    people = primary(results, judge, conditions[0])[0].report.people
    title = (
        f"{res} px, restored against high-resolution faces of {people} people, judged by {judge}, which is in no loss"
    )
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _gains(shown: Sequence[Result], confidence: float) -> list[str]:
    """Return the gain of each method over the baseline; empty for the baseline itself and the ceiling."""
    baseline = next((result.report for result in shown if result.method == BASELINE), None)
    return [
        ""
        if baseline is None or result.method in (BASELINE, CEILING)
        else _estimate(paired_difference(result.report, baseline, confidence)["d_prime"], "+.2f")
        for result in shown
    ]


def _estimate(estimate: Estimate, form: str) -> str:
    interval = "" if estimate.lo is None else f" [{estimate.lo:{form}}, {estimate.hi:{form}}]"
    return f"{estimate.value:{form}}{interval}"
