"""The table of a comparison: a row for every judge, resolution and method."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ftlgan.comparison.runs import Run
from ftlgan.errors import DataError
from ftlgan.evaluation.judging import BASELINE, BLACK, CEILING, HR_HR, LR_HR, WHITE

MEAN = "mean"
"""The value of `Row.res` in a mean over resolutions."""
ROW_METRICS = {"method", "d_prime", "d_prime_lo", "d_prime_hi", "auc", "auc_lo", "auc_hi"}
"""The fields that a row takes from metrics/verification.csv."""
QUALITY = ("psnr", "ssim", "lpips")
"""The fields that a row takes from metrics/quality.json."""
PAPER = "the paper's"
"""The value of `Row.judge` in the paper's own results: a recognizer that we do not know."""
PAPER_METRICS = {"14": (1.099, 0.78), "28": (2.112, 0.92), "56": (3.049, 0.98)}
"""The d' and AUC of FTLGAN in the paper, by resolution. It used other photographs and another recognizer."""
PAPER_GAIN = 0.21
"""The gain of FTLGAN's mean d' over that of the best model compared, as the paper reports it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The metrics of a method by a judge at a resolution: those of lr-hr, or of hr-hr for the high-resolution faces."""

    judge: str
    box: str | None = None
    """What the judge is to the method: `WHITE` if the method's loss has seen it, else `BLACK`; None in the paper's."""
    res: str
    """The resolution in pixels, or `MEAN`."""
    method: str
    d_prime: float
    d_prime_lo: float | None = None
    d_prime_hi: float | None = None
    auc: float
    auc_lo: float | None = None
    auc_hi: float | None = None
    best_other: str | None = None
    """The other method with the highest d'; the high-resolution faces don't count."""
    gain: float | None = None
    """The d' minus that of `best_other`."""
    gain_lo: float | None = None
    gain_hi: float | None = None
    """The paired interval of the gain is `gain_lo` to `gain_hi`, where the run has it."""
    gap_closed: float | None = None
    """The share of the gap in d' between bicubic and the high-resolution faces that the method closes."""
    psnr: float | None = None
    """The peak signal-to-noise ratio in decibels."""
    ssim: float | None = None
    lpips: float | None = None


def compare_runs(runs: Sequence[Run]) -> list[Row]:
    """Return the rows of each judge, those that a loss has seen last, and then the paper's own.

    The rows of a judge are in the order of resolution; the means over resolutions follow them.

    Args:
        runs: one run for each resolution, with the same test people.

    Raises:
        DataError: if photos, split, judges or the headline's condition of the runs differ.
    """
    _require_same_question(runs)
    rows: list[Row] = []
    judges = dict.fromkeys(row.judge for run in runs for row in run.verification)
    seen = {judge for run in runs for judge, about in run.origin.judges.items() if about.white_for}
    for judge in sorted(judges, key=lambda judge: judge in seen):
        groups = [_run_rows(run, judge) for run in runs]
        rows += [row for group in groups for row in group] + _means(groups)
    return rows + _paper_rows()


def methods_by_box(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return the methods to which the judge of the rows is a `WHITE` and a `BLACK` box.

    A judge that is both to a method, in runs whose losses differ, is white to it.
    """
    boxes: dict[str, str] = {}
    for row in rows:
        if row.box is not None and row.method != CEILING:
            boxes[row.method] = WHITE if boxes.get(row.method) == WHITE else row.box
    return {kind: [method for method, box in boxes.items() if box == kind] for kind in (WHITE, BLACK)}


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write a line for each row, with six digits; a field that a row does not have is empty."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = vars(row).items()
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in values})


def _require_same_question(runs: Sequence[Run]) -> None:
    """Raise a `DataError` where photos, people, judges or condition differ, because then no metrics compare."""
    first = runs[0]
    for run in runs:
        for what, one, other in (
            ("photos", first.origin.dataset.aligned_sha256, run.origin.dataset.aligned_sha256),
            ("split of the people", first.origin.split, run.origin.split),
            ("judges", _digests(first), _digests(run)),
            ("condition of the test", first.origin.condition, run.origin.condition),
        ):
            if one != other:
                raise DataError(f"{first.name} and {run.name}: {what}: {one} and {other}; compare runs of the same")


def _digests(run: Run) -> dict[str, str]:
    return {name: judge.sha256 for name, judge in run.origin.judges.items()}


def _run_rows(run: Run, judge: str) -> list[Row]:
    looks = {row.method: row for row in run.quality}
    rows = [
        Row(
            judge=judge,
            box=run.origin.judges[judge].box(row.method),
            res=str(run.res),
            **row.model_dump(include=ROW_METRICS),
            **looks[row.method].model_dump(include={*QUALITY}) if row.method in looks else {},
        )
        for row in run.verification
        if row.judge == judge and row.protocol in (LR_HR, HR_HR)
    ]
    return [replace(row, **_gain_interval(run, row)) for row in _standing(rows)]


def _standing(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of one judge and resolution with their gain and the share of the gap that they close."""
    d_prime = {row.method: row.d_prime for row in rows}
    gap = d_prime[CEILING] - d_prime.get(BASELINE, d_prime[CEILING])
    placed: list[Row] = []
    for row in rows:
        known: dict[str, Any] = {}
        others = [name for name in d_prime if name not in (row.method, CEILING)]
        if row.method != CEILING and others:
            best = max(others, key=d_prime.__getitem__)
            known |= {"best_other": best, "gain": row.d_prime - d_prime[best]}
        if row.method != CEILING and gap > 0:
            known["gap_closed"] = (row.d_prime - d_prime[BASELINE]) / gap
        placed.append(replace(row, **known))
    return placed


def _gain_interval(run: Run, row: Row) -> dict[str, float]:
    """Return the paired interval of a gain; a run has the difference of two methods in one of its two orders."""
    for found in run.differences:
        if (found.judge, found.protocol) == (row.judge, LR_HR):
            if (found.method, found.baseline) == (row.method, row.best_other):
                return {"gain_lo": found.d_prime_lo, "gain_hi": found.d_prime_hi}
            if (found.baseline, found.method) == (row.method, row.best_other):
                return {"gain_lo": -found.d_prime_hi, "gain_hi": -found.d_prime_lo}
    return {}


def _means(groups: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the means over resolutions of the methods that every run has.

    They have no intervals, because a run does not keep its bootstrap samples.
    """
    if len(groups) < 2:
        return []
    means: list[Row] = []
    for first in groups[0]:
        same = [row for group in groups for row in group if row.method == first.method]
        if len(same) == len(groups):
            names = ("d_prime", "auc", *QUALITY)
            metrics = {name: _mean([getattr(row, name) for row in same]) for name in names}
            box = WHITE if any(row.box == WHITE for row in same) else BLACK
            means.append(Row(judge=first.judge, box=box, res=MEAN, method=first.method, **metrics))  # pyright: ignore[reportArgumentType] - every row has d' and AUC
    return _standing(means)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _paper_rows() -> list[Row]:
    means = [sum(values) / len(values) for values in zip(*PAPER_METRICS.values(), strict=True)]
    metrics = {**PAPER_METRICS, MEAN: (round(means[0], 3), round(means[1], 3))}
    return [
        Row(judge=PAPER, res=res, method="ftlgan", d_prime=d_prime, auc=auc) for res, (d_prime, auc) in metrics.items()
    ]
