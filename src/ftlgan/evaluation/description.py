"""The headline as Markdown: what MLflow shows of an experiment before everything else."""

from collections.abc import Sequence

from ftlgan.evaluation.judging import BASELINE, CEILING, Result, primary
from ftlgan.verification.report import Estimate, paired_difference


def description(results: Sequence[Result], judge: str, res: int, confidence: float) -> str:
    """Return a table of d' of the ceiling and of each method, with what each gains over the baseline.

    It has a column for each method and not a row, because MLflow shows the first lines and hides the rest.

    Args:
        results: of all methods, judges and protocols.
        judge: the one that the headline rests on.
        res: width and height of the small faces, pixels.
        confidence: the level of the intervals, above 0 and below 1.
    """
    shown = primary(results, judge)
    baseline = next((result.report for result in shown if result.method == BASELINE), None)

    def gain(result: Result) -> str:
        if baseline is None or result.method in (BASELINE, CEILING):
            return ""
        return _estimate(paired_difference(result.report, baseline, confidence)["d_prime"], "+.2f")

    lines = [
        ["", *(r.method for r in shown)],
        ["---"] * (len(shown) + 1),
        [f"d' [{confidence:.0%} interval]", *(_estimate(r.report.metrics["d_prime"], ".2f") for r in shown)],
    ]
    gains = [gain(result) for result in shown]
    if any(gains):
        lines.append([f"minus {BASELINE}, paired", *gains])
    people = shown[0].report.people
    title = (
        f"{res} px, restored against high-resolution faces of {people} people, judged by {judge}, which is in no loss"
    )
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _estimate(estimate: Estimate, form: str) -> str:
    interval = "" if estimate.lo is None else f" [{estimate.lo:{form}}, {estimate.hi:{form}}]"
    return f"{estimate.value:{form}}{interval}"
