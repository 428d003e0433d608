"""Verification on a list of pairs: accuracy, TAR and AUC for every condition, method, judge and protocol.

Under lr-hr the first photo of each pair is a restored one, under lr-lr both are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlgan.errors import DataError
from ftlgan.evaluation.judging import CEILING, HR_HR, LR_HR, LR_LR, Embedded, Teachers, box, check_probes
from ftlgan.faces import read_faces
from ftlgan.params import NATIVE
from ftlgan.progress import progress
from ftlgan.verification.histogram import score_histogram
from ftlgan.verification.listed_scores import RATES, FoldRate, ScoredList, fold_rates, score_list
from ftlgan.verification.pair_list import listed_people, read_pairs
from ftlgan.verification.report import Report, columns, report


@dataclass(frozen=True)
class ListResult:
    """The result of one method for one judge, condition and protocol."""

    condition: str
    """The condition of the photos; empty for the ceiling."""
    method: str
    judge: str
    protocol: str
    listed: ScoredList
    report: Report
    rates: Mapping[str, FoldRate]
    """The means over folds, by name; empty if there are fewer than two folds."""


def has_pairs(path: Path) -> bool:
    """Return whether a list that `ftlgan.verification.pair_list.write_pairs` wrote has any pair."""
    return len(path.read_text(encoding="utf-8").splitlines()) > 1


def check_nobody_listed_is_trained_on(path: Path, aligned: Path) -> None:
    """Check that the people of a list are not in training or validation.

    Args:
        path: the list.
        aligned: the folder of the table of aligned faces.

    Raises:
        DataError: if somebody is.
    """
    people = listed_people(read_pairs(path))
    trained = set(read_faces(aligned, ["identity"], ["train", "val"])["identity"].to_pylist())
    if both := people & trained:
        raise DataError(
            f"{aligned}: {min(both)} is in the list of pairs and in training or validation ({len(both)} such people in "
            "all); run `dvc repro -f fetch`"
        )


def verify(
    path: Path,
    judge: str,
    references: Embedded,
    probes: Mapping[tuple[str, str], Embedded],
    replicates: int,
    confidence: float,
    seed: int,
) -> list[ListResult]:
    """Verify the pairs of a list by one judge: first the ceiling, then each method and condition under both protocols.

    Pairs whose photo is missing are left out and counted. If no genuine or no impostor pair is left under a condition,
    there is no result.

    Args:
        path: the list.
        judge: the judge's name.
        references: the high-resolution photos.
        probes: the restored photos of each condition and method.
        replicates: the number of bootstrap draws.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the draws.

    Raises:
        DataError: if a method's faces are not those of the references or of the other methods, or the list contradicts
            the identities of the photos.
    """
    check_probes(judge, references, probes)
    faces = references.faces
    asked = [("", CEILING, HR_HR, faces, faces)]
    for (condition, method), probe in probes.items():
        if condition == NATIVE:  # its photos are others than those that the list names
            continue
        asked += [(condition, method, LR_HR, probe.faces, faces), (condition, method, LR_LR, probe.faces, probe.faces)]
    found: list[ListResult] = []
    for condition, method, protocol, probe, reference in progress(asked, f"pairs by {judge}", unit="protocol"):
        try:
            listed = score_list(path, probe, reference, skip_missing=True)
        except DataError:
            if protocol == HR_HR:
                raise
            continue  # the list is valid, as it was read for the ceiling: the condition left no pair
        if not (listed.comparison.genuine.size and listed.comparison.impostor.size):
            continue
        metrics = report(score_histogram(listed.comparison), replicates, confidence, seed)
        found.append(ListResult(condition, method, judge, protocol, listed, metrics, fold_rates(listed)))
    return found


COLUMNS = ("res", "condition", "method", "judge", "box", "protocol", "left_out", "genuine", "impostor", "folds")
"""The first columns of the table; those of the metrics follow."""


def list_table(found: Iterable[ListResult], res: int, teachers: Teachers) -> list[dict[str, Any]]:
    """Return a row for each condition, method, judge and protocol, with all metrics."""
    rows: list[dict[str, Any]] = []
    for f in found:
        left_out = f.listed.missing + f.listed.copies
        folds = next((rate.folds for rate in f.rates.values()), None)
        who = (res, f.condition, f.method, f.judge, box(f.judge, [f.method], teachers), f.protocol, left_out)
        row: dict[str, Any] = dict(zip(COLUMNS, (*who, f.report.genuine, f.report.impostor, folds), strict=True))
        for name in RATES:
            rate = f.rates.get(name)
            row[name], row[f"{name}_error"] = rate and round(rate.mean, 6), rate and round(rate.standard_error, 6)
        rows.append(row | columns(f.report.metrics, f.report.absent))
    return rows


def list_scalars(found: Iterable[ListResult], condition: str) -> dict[str, float]:
    """Return accuracy and AUC by JUDGE/PROTOCOL/METHOD.pairs_NAME."""
    values: dict[str, float] = {}
    for f in found:
        name = f"{'' if f.condition in ('', condition) else f.condition + '/'}{f.judge}/{f.protocol}/{f.method}.pairs_"
        values[f"{name}auc"] = round(f.report.metrics["auc"].value, 6)
        if accuracy := f.rates.get("accuracy"):
            values[f"{name}accuracy"] = round(accuracy.mean, 6)
    return values
