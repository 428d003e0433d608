"""The headline as Markdown: what MLflow shows of an experiment before everything else."""

from collections.abc import Sequence

from ftlgan.evaluation.judging import BASELINE, CEILING, Result, primary
from ftlgan.verification.report import Estimate, paired_difference


def description(results: Sequence[Result], judge: str, conditions: Sequence[str], res: int, confidence: float) -> str:
    """Return a table of d' of the ceiling and of each method, with what each gains over the baseline.

    It has a column for each method and not a row, because MLflow shows the first lines and hides the rest.

    Args:
        results: of all conditions, methods, judges and protocols.
        judge: the one that the headline rests on.
        conditions: what the test faces went through, the headline's first.
        res: width and height of the small faces, pixels.
        confidence: the level of the intervals, above 0 and below 1.
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
    """Return what each method gains over the baseline; empty for the baseline itself and the ceiling."""
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
