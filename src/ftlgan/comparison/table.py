"""The table of a comparison: a row for every judge, resolution and method."""

import csv
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ftlgan.comparison.metrics import Calibrated, Identified, Listed, Verified
from ftlgan.comparison.runs import Run
from ftlgan.errors import DataError
from ftlgan.evaluation.judging import BASELINE, BLACK, CEILING, HR_HR, LR_HR, WHITE
from ftlgan.params import METHODS

MEAN = "mean"
"""The value of `Row.res` in means over resolutions."""
ROW_METRICS = {"method", "d_prime", "d_prime_lo", "d_prime_hi", "auc", "auc_lo", "auc_hi"}
"""The fields that a row takes from metrics/verification.csv."""
OTHER_METRICS = ("tar_at_far_1e2", "tar_at_far_1e3", "accuracy", "rank_1", "cllr")
"""The metrics besides d' and AUC, with their intervals, that a row has if the run has them."""
VARYING = ("d_prime", "auc", *OTHER_METRICS)
"""The metrics for which a row has the standard deviation over trainings."""
QUALITY = ("psnr", "ssim", "lpips")
"""The fields that a row takes from metrics/quality.json."""
PAPER = "the paper's"
"""The value of `Row.judge` in the paper's own results, whose recognizer is unknown."""
PAPER_METRICS = {"14": (1.099, 0.78), "28": (2.112, 0.92), "56": (3.049, 0.98)}
"""The d' and AUC of FTLGAN in the paper, by resolution. The paper used other photos and another recognizer."""
PAPER_GAIN = 0.21
"""The relative gain of FTLGAN's mean d' over that of the best other model, as reported in the paper."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The metrics of a method by a judge at a resolution, under lr-hr, or hr-hr for the high-resolution faces."""

    judge: str
    box: str | None = None
    """`WHITE` if the method's loss has seen the judge, else `BLACK`; None in the paper's results."""
    res: str
    """The resolution in pixels, or `MEAN`."""
    method: str
    d_prime: float
    d_prime_lo: float | None = None
    d_prime_hi: float | None = None
    auc: float
    auc_lo: float | None = None
    auc_hi: float | None = None
    tar_at_far_1e2: float | None = None
    tar_at_far_1e2_lo: float | None = None
    tar_at_far_1e2_hi: float | None = None
    tar_at_far_1e3: float | None = None
    tar_at_far_1e3_lo: float | None = None
    tar_at_far_1e3_hi: float | None = None
    """The true accept rate, 1 - FNMR, at FAR (FMR) 1e-2 and 1e-3."""
    accuracy: float | None = None
    """The mean accuracy over the folds of a list of pairs."""
    rank_1: float | None = None
    rank_1_lo: float | None = None
    rank_1_hi: float | None = None
    cllr: float | None = None
    cllr_lo: float | None = None
    cllr_hi: float | None = None
    trainings: int = 1
    """The number of trainings, which differ only in their seed. The row has their mean metrics, and the mean ends of
    their intervals over people."""
    d_prime_sd: float | None = None
    auc_sd: float | None = None
    tar_at_far_1e2_sd: float | None = None
    tar_at_far_1e3_sd: float | None = None
    accuracy_sd: float | None = None
    rank_1_sd: float | None = None
    cllr_sd: float | None = None
    """The standard deviation over trainings; None for a single training, for methods that are not trained here, and for
    means over resolutions."""
    best_other: str | None = None
    """The other method with the highest d', without the ceiling."""
    gain: float | None = None
    """The d' minus that of `best_other`."""
    gain_lo: float | None = None
    gain_hi: float | None = None
    """The paired interval of the gain; None if the run does not have it."""
    gain_sd: float | None = None
    """The standard deviation of the gain over trainings."""
    gap_closed: float | None = None
    """The share of the gap in d' between bicubic and the high-resolution faces that the method closes."""
    psnr: float | None = None
    """The peak signal-to-noise ratio in decibels."""
    ssim: float | None = None
    lpips: float | None = None


def compare_runs(runs: Sequence[Run]) -> list[Row]:
    """Return the rows of each judge, first of judges that no loss has seen, and then the paper's own.

    The rows of a judge are in the order of resolution, followed by the means over resolutions.

    Args:
        runs: one run or several trainings for each resolution, with the same test people.

    Raises:
        DataError: if photos, split, judges or the headline's condition differ between runs.
    """
    _require_same_question(runs)
    rows: list[Row] = []
    by_res = [[run for run in runs if run.res == res] for res in dict.fromkeys(run.res for run in runs)]
    judges = dict.fromkeys(row.judge for run in runs for row in run.verification)
    seen = {judge for run in runs for judge, about in run.origin.judges.items() if about.white_for}
    for judge in sorted(judges, key=lambda judge: judge in seen):
        groups = [_rows_of_trainings(trainings, judge) for trainings in by_res]
        rows += [row for group in groups for row in group] + _means(groups)
    return rows + _paper_rows()


def methods_by_box(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return the methods for which the judge of the rows is a `WHITE` box, and those for which it is a `BLACK` box.

    If it is both for a method, in runs with different losses, it counts as white.
    """
    boxes: dict[str, str] = {}
    for row in rows:
        if row.box is not None and row.method != CEILING:
            boxes[row.method] = WHITE if boxes.get(row.method) == WHITE else row.box
    return {kind: [method for method, box in boxes.items() if box == kind] for kind in (WHITE, BLACK)}


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write a CSV line for each row, with six digits; missing values are empty."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = vars(row).items()
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in values})


def _require_same_question(runs: Sequence[Run]) -> None:
    """Raise a `DataError` if photos, people, judges or condition differ, because then metrics are not comparable."""
    first = runs[0]
    for run in runs:
        for what, one, other in (
            ("photos", first.origin.dataset.aligned_sha256, run.origin.dataset.aligned_sha256),
            ("split of the people", first.origin.split, run.origin.split),
            ("judges", _digests(first), _digests(run)),
            ("condition of the test", first.origin.condition, run.origin.condition),
        ):
            if one != other:
                raise DataError(f"{first.name} and {run.name}: {what}: {one} and {other}; compare runs that agree")


def _digests(run: Run) -> dict[str, str]:
    return {name: judge.sha256 for name, judge in run.origin.judges.items()}


def _rows_of_trainings(trainings: Sequence[Run], judge: str) -> list[Row]:
    """Return the rows of one judge and resolution, as means over trainings if there are several."""
    of_each = [_run_rows(run, judge) for run in trainings]
    rows = _standing([_mean_row(same) for same in zip(*of_each, strict=True)])
    d_primes = [{row.method: row.d_prime for row in rows} for rows in of_each]
    return [replace(row, **_gain_spread(trainings, d_primes, row)) for row in rows]


def _run_rows(run: Run, judge: str) -> list[Row]:
    looks = {row.method: row for row in run.quality}
    found, costs, listed = (
        {row.method: row for row in rows if row.judge == judge and row.protocol in (LR_HR, HR_HR)}
        for rows in (run.identification, run.calibration, run.pairs)
    )
    return [
        Row(
            judge=judge,
            box=run.origin.judges[judge].box(row.method),
            res=str(run.res),
            **row.model_dump(include=ROW_METRICS),
            **_other_metrics(row, found.get(row.method), costs.get(row.method), listed.get(row.method)),
            **looks[row.method].model_dump(include={*QUALITY}) if row.method in looks else {},
        )
        for row in run.verification
        if row.judge == judge and row.protocol in (LR_HR, HR_HR)
    ]


def _other_metrics(verified: Verified, *others: Identified | Calibrated | Listed | None) -> dict[str, float | None]:
    """Return those of `OTHER_METRICS` that exist, with their intervals."""
    known: dict[str, float | None] = {}
    for rate in ("1e2", "1e3"):
        for end, of_fnmr in (("", ""), ("_lo", "_hi"), ("_hi", "_lo")):
            fnmr: float | None = getattr(verified, f"fnmr_{rate}{of_fnmr}")
            known[f"tar_at_far_{rate}{end}"] = None if fnmr is None else 1 - fnmr
    for row in others:
        known |= row.model_dump(exclude={"condition", "method", "judge", "protocol"}) if row else {}
    return known


def _mean_row(same: Sequence[Row]) -> Row:
    """Return the mean of a method's rows over trainings, without the metrics that any of them lacks."""
    if len(same) == 1:
        return same[0]
    first = same[0]
    averaged = [field.name for field in fields(Row) if field.type in (float, float | None)]
    means: dict[str, Any] = {name: _mean([getattr(row, name) for row in same]) for name in averaged}
    if first.method in (*METHODS, CEILING):
        return replace(first, **means)
    spreads = {f"{name}_sd": _spread([getattr(row, name) for row in same]) for name in VARYING}
    return replace(first, **means | spreads, trainings=len(same))


def _spread(values: Sequence[float | None]) -> float | None:
    """Return the sample standard deviation (n - 1); None if a value is unknown, or there is only one."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) == len(values) > 1 else None


def _standing(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of one judge and resolution with their gain and the share of the gap they close."""
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


def _gain_spread(trainings: Sequence[Run], d_primes: Sequence[dict[str, float]], row: Row) -> dict[str, float | None]:
    """Return the paired interval of a gain, with ends averaged over trainings, and its standard deviation over them."""
    ends = [_gain_interval(run, row) for run in trainings]
    found: dict[str, float | None] = {
        name: _mean([interval.get(name) for interval in ends]) for name in ("gain_lo", "gain_hi")
    }
    if row.best_other is not None and not {row.method, row.best_other} <= {*METHODS}:
        found["gain_sd"] = _spread([each[row.method] - each[row.best_other] for each in d_primes])
    return found


def _gain_interval(run: Run, row: Row) -> dict[str, float]:
    """Return the paired interval of a gain; a run has the difference of two methods in only one order."""
    for found in run.differences:
        if (found.judge, found.protocol) == (row.judge, LR_HR):
            if (found.method, found.baseline) == (row.method, row.best_other):
                return {"gain_lo": found.d_prime_lo, "gain_hi": found.d_prime_hi}
            if (found.baseline, found.method) == (row.method, row.best_other):
                return {"gain_lo": -found.d_prime_hi, "gain_hi": -found.d_prime_lo}
    return {}


def _means(groups: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the means over resolutions of the methods that every run has.

    They have no intervals, because a run does not store its bootstrap samples.
    """
    if len(groups) < 2:
        return []
    means: list[Row] = []
    for first in groups[0]:
        same = [row for group in groups for row in group if row.method == first.method]
        if len(same) == len(groups):
            names = (*VARYING, *QUALITY)
            metrics = {name: _mean([getattr(row, name) for row in same]) for name in names}
            box = WHITE if any(row.box == WHITE for row in same) else BLACK
            trainings = min(row.trainings for row in same)
            mean = Row(judge=first.judge, box=box, res=MEAN, method=first.method, trainings=trainings, **metrics)  # pyright: ignore[reportArgumentType] - every row has d' and AUC
            means.append(mean)
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
