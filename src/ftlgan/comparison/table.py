"""Runs -> a row for every judge, resolution and method."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ftlgan.comparison.runs import Run
from ftlgan.errors import DataError
from ftlgan.evaluation import BASELINE, CEILING, HR_HR, LR_HR

MEAN = "mean"
"""In place of a resolution."""
MERITS = {"method", "d_prime", "d_prime_lo", "d_prime_hi", "auc", "auc_lo", "auc_hi"}
QUALITY = ("psnr", "ssim", "lpips")
"""What a row has from the metrics of its run."""
BLACK_BOX, TEACHER, PAPER = "black box", "teacher", "paper"
"""Roles of a judge: in no loss, in the loss, and the paper's own."""
PAPER_MERITS = {"14": (1.099, 0.78), "28": (2.112, 0.92), "56": (3.049, 0.98)}
"""d' and AUC that the paper reports of its FTLGAN, by resolution. Its photographs and its recognizer are others."""
PAPER_GAIN = 0.21
"""By which its mean d' is above that of the best model compared, as it says."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method at a resolution before a judge: lr-hr, and hr-hr of the high-resolution faces."""

    judge: str
    role: str
    """`BLACK_BOX`, `TEACHER` or `PAPER`."""
    res: str
    """In pixels, or `MEAN`."""
    method: str
    d_prime: float
    d_prime_lo: float | None = None
    d_prime_hi: float | None = None
    auc: float
    auc_lo: float | None = None
    auc_hi: float | None = None
    best_other: str | None = None
    """Of all other methods, the high-resolution faces apart, the one with the highest d'."""
    gain: float | None = None
    """d' minus that of `best_other`."""
    gain_lo: float | None = None
    gain_hi: float | None = None
    """The paired interval of the gain, where the run has it."""
    gap_closed: float | None = None
    """The share that is closed of the gap in d' from bicubic to the high-resolution faces."""
    psnr: float | None = None
    """Decibels."""
    ssim: float | None = None
    lpips: float | None = None


def compare_runs(runs: Sequence[Run], teacher: str) -> list[Row]:
    """Every judge's rows, the teacher's last, by resolution, then the means over resolutions; and the paper's own.

    Args:
        runs: one a resolution, of the same test people.
        teacher: the recognizer that was in the loss.

    Raises:
        DataError: if photos, split, judges or degradation of the runs differ.
    """
    _require_same_question(runs)
    rows: list[Row] = []
    judges = dict.fromkeys(row.judge for run in runs for row in run.verification)
    for judge in sorted(judges, key=lambda judge: judge == teacher):
        role = TEACHER if judge == teacher else BLACK_BOX
        groups = [_of_run(run, judge, role) for run in runs]
        rows += [row for group in groups for row in group] + _means(groups)
    return rows + _of_paper()


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """A line a row, to six digits; what a row has not is empty."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = vars(row).items()
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in values})


def _require_same_question(runs: Sequence[Run]) -> None:
    """Figures of other people or judges, or of faces made small in another way, say nothing beside each other."""
    first = runs[0]
    for run in runs:
        for what, one, other in (
            ("photos", first.origin.dataset.aligned_sha256, run.origin.dataset.aligned_sha256),
            ("split of the people", first.origin.split, run.origin.split),
            ("judges", first.origin.judges, run.origin.judges),
            ("degradation", first.origin.degradation.kernel, run.origin.degradation.kernel),
        ):
            if one != other:
                raise DataError(f"{first.name} and {run.name}: {what}: {one} and {other}; compare runs of the same")


def _of_run(run: Run, judge: str, role: str) -> list[Row]:
    looks = {row.method: row for row in run.quality}
    rows = [
        Row(
            judge=judge,
            role=role,
            res=str(run.res),
            **row.model_dump(include=MERITS),
            **looks[row.method].model_dump(include={*QUALITY}) if row.method in looks else {},
        )
        for row in run.verification
        if row.judge == judge and row.protocol in (LR_HR, HR_HR)
    ]
    return [replace(row, **_gain_interval(run, row)) for row in _standing(rows)]


def _standing(rows: Sequence[Row]) -> list[Row]:
    """Where each stands among the others of the same judge and resolution."""
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
    """Of the paired difference, which a run has of each two methods in one order."""
    for found in run.differences:
        if (found.judge, found.protocol) == (row.judge, LR_HR):
            if (found.method, found.baseline) == (row.method, row.best_other):
                return {"gain_lo": found.d_prime_lo, "gain_hi": found.d_prime_hi}
            if (found.baseline, found.method) == (row.method, row.best_other):
                return {"gain_lo": -found.d_prime_hi, "gain_hi": -found.d_prime_lo}
    return {}


def _means(groups: Sequence[Sequence[Row]]) -> list[Row]:
    """Means over resolutions of the methods that every run has. Without intervals: a run's draws are not kept."""
    if len(groups) < 2:
        return []
    means: list[Row] = []
    for first in groups[0]:
        same = [row for group in groups for row in group if row.method == first.method]
        if len(same) == len(groups):
            names = ("d_prime", "auc", *QUALITY)
            merits = {name: _mean([getattr(row, name) for row in same]) for name in names}
            means.append(Row(judge=first.judge, role=first.role, res=MEAN, method=first.method, **merits))  # pyright: ignore[reportArgumentType] - every row has d' and AUC
    return _standing(means)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _of_paper() -> list[Row]:
    means = [sum(values) / len(values) for values in zip(*PAPER_MERITS.values(), strict=True)]
    merits = {**PAPER_MERITS, MEAN: (round(means[0], 3), round(means[1], 3))}
    return [
        Row(judge="the paper's", role=PAPER, res=res, method="ftlgan", d_prime=d_prime, auc=auc)
        for res, (d_prime, auc) in merits.items()
    ]
