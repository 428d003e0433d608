"""Embeddings of the test people -> every figure, for every method, judge and protocol."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError
from ftlgan.faces import embeddings_of, read_faces, recognizer_of
from ftlgan.verification import Comparison, Merits, compare, paired_difference, report, roc, score_density

HR = "hr"
"""The name under which the high-resolution faces stand beside the methods: the ceiling."""
LR_HR, LR_LR, HR_HR = "lr-hr", "lr-lr", "hr-hr"
"""Protocols: probe and reference."""
BASELINE = "bicubic"
"""The method that the others are held against."""


@dataclass(frozen=True)
class Embedded:
    """The test faces as one judge sees them."""

    face_ids: np.ndarray
    """str (N,)."""
    identities: np.ndarray
    """str (N,)."""
    embeddings: np.ndarray
    """float32 (N, D), unit length."""
    recognizer: dict[str, str]
    """Name and SHA-256 of the judge: embeddings of two digests cannot be compared."""


@dataclass(frozen=True)
class Result:
    """One method before one judge under one protocol."""

    method: str
    judge: str
    protocol: str
    comparison: Comparison
    merits: Merits


def read_embedded(folder: Path) -> Embedded:
    """The test faces of a table of embeddings."""
    table = read_faces(folder, splits=["test"])
    return Embedded(
        table["face_id"].to_numpy(), table["identity"].to_numpy(), embeddings_of(table), recognizer_of(table)
    )


def evaluate(
    judge: str, references: Embedded, probes: Mapping[str, Embedded], replicates: int, confidence: float, seed: int
) -> list[Result]:
    """Verify the test people by one judge: the ceiling first, then each method under both protocols.

    Args:
        judge: its name.
        references: the high-resolution test faces.
        probes: for each method, the same faces restored by it.
        replicates: bootstrap draws of people.
        confidence: of the intervals.
        seed: of the draws; the same for all, so that methods can be compared draw by draw.

    Raises:
        DataError: if a method's faces are not those of the references, or there is nothing to compare.
    """
    for method, probe in probes.items():
        table = f"data/probes/{method}/{judge}"
        if not np.array_equal(probe.face_ids, references.face_ids):
            raise DataError(f"{table}: its faces are not the test faces of the gallery; run `dvc repro`")
        if probe.recognizer != references.recognizer:
            raise DataError(f"{table}: by {probe.recognizer}, the gallery by {references.recognizer}; run `dvc repro`")

    def result(method: str, protocol: str, comparison: Comparison) -> Result:
        return Result(method, judge, protocol, comparison, report(comparison, replicates, confidence, seed))

    results = [result(HR, HR_HR, compare(references.embeddings, None, references.identities))]
    for method, probe in probes.items():
        across = compare(probe.embeddings, references.embeddings, references.identities)
        within = compare(probe.embeddings, None, references.identities)
        results += [result(method, LR_HR, across), result(method, LR_LR, within)]
    return results


def headline_judge(judges: Sequence[str], teacher: str) -> str:
    """The first judge that no loss has seen: a gain that only the teacher sees is an adversarial pattern."""
    return next(judge for judge in judges if judge != teacher)


def primary(results: Iterable[Result], judge: str) -> list[Result]:
    """What the headline rests on: each method under lr-hr, and the ceiling, by one judge."""
    return [r for r in results if r.judge == judge and r.protocol in (LR_HR, HR_HR)]


def headline(results: Iterable[Result], judge: str) -> dict[str, dict[str, float]]:
    """`{METHOD: {d_prime, auc, eer}}`, to four digits: more than the intervals support."""
    return {
        r.method: {name: round(getattr(r.merits, name), 4) for name in ("d_prime", "auc", "eer")}
        for r in primary(results, judge)
    }


def verification_table(results: Iterable[Result], res: int) -> list[dict[str, Any]]:
    """A row for each method, judge and protocol, with all figures and their intervals."""
    return [
        {"res": res, "method": r.method, "judge": r.judge, "protocol": r.protocol, **_rounded(r.merits.scalars())}
        for r in results
    ]


def difference_table(results: Sequence[Result], res: int, confidence: float) -> list[dict[str, Any]]:
    """A row for each two methods, judge and protocol: paired differences to the baseline, or to the one named first."""
    baseline_first = sorted(results, key=lambda result: result.method != BASELINE)
    return [
        {
            "res": res,
            "method": ours.method,
            "baseline": theirs.method,
            "judge": ours.judge,
            "protocol": ours.protocol,
            **_rounded(vars(paired_difference(ours.merits, theirs.merits, confidence))),
        }
        for theirs, ours in combinations(baseline_first, 2)
        if (ours.judge, ours.protocol) == (theirs.judge, theirs.protocol)
    ]


def roc_table(scores: Mapping[str, Comparison]) -> list[dict[str, Any]]:
    """The ROC curve of each method, a row a point."""
    curves = {method: roc(comparison.genuine, comparison.impostor) for method, comparison in scores.items()}
    return [
        {"method": method, "fpr": fpr, "tpr": tpr}
        for method, points in curves.items()
        for fpr, tpr in zip(*points, strict=True)
    ]


def score_table(scores: Mapping[str, Comparison]) -> list[dict[str, Any]]:
    """The densities of genuine and impostor scores of each method, a row a bin."""
    rows: list[dict[str, Any]] = []
    for method, comparison in scores.items():
        centres, *densities = score_density(comparison.genuine, comparison.impostor)
        for pairs, density in zip(("genuine", "impostor"), densities, strict=True):
            named = {"method": method, "pairs": pairs}
            rows += [{**named, "score": x, "density": y} for x, y in zip(centres, density, strict=True)]
    return rows


def _rounded(merits: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in merits.items()}
