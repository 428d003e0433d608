"""Embeddings of the test people -> every metric, for every condition, method, judge and protocol.

A judge is a recognizer that scores restored faces (`ftlgan.recognition`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError
from ftlgan.faces import embeddings_of, read_faces, recognizer_of, teachers_of
from ftlgan.params import NATIVE
from ftlgan.progress import progress
from ftlgan.verification.histogram import pair_histogram
from ftlgan.verification.pairs import AllPairs, Faces, check_embeddings
from ftlgan.verification.parts import described
from ftlgan.verification.report import Report, columns, paired_difference, report

CEILING = "hr"
"""The name of the ceiling, the high-resolution faces, which are listed like a method."""
LR_HR, LR_LR, HR_HR = "lr-hr", "lr-lr", "hr-hr"
"""The protocols: probe and reference."""
WHITE, BLACK = "white", "black"
"""A judge is a white box for a model whose loss has seen it, and a black box for any other."""
D_PRIME = "d'"
"""The name of the headline's metric."""
BASELINE = "bicubic"
"""The method that the others are compared with."""

Teachers = Mapping[str, Collection[str]]
"""The recognizers that the loss of each model has seen; none for methods that are not trained here."""


@dataclass(frozen=True)
class Embedded:
    """Faces embedded by one judge."""

    faces: Faces
    recognizer: dict[str, str]
    """The name and SHA-256 of the judge; embeddings with different digests can't be compared."""


@dataclass(frozen=True)
class Judged:
    """A method with a judge, a condition and a protocol: the key of a result."""

    condition: str
    """The condition of the test faces; empty for the ceiling."""
    method: str
    judge: str
    protocol: str

    def name(self, headline: str) -> str:
        """Return JUDGE/PROTOCOL/METHOD, with CONDITION/ in front if the condition is not the headline's."""
        below = "" if self.condition in ("", headline) else f"{self.condition}/"
        return f"{below}{self.judge}/{self.protocol}/{self.method}"

    def key_columns(self, res: int, teachers: Teachers) -> dict[str, Any]:
        """Return the first columns of a row: resolution, condition, method, judge, box and protocol."""
        return {
            "res": res,
            "condition": self.condition,
            "method": self.method,
            "judge": self.judge,
            "box": box(self.judge, [self.method], teachers),
            "protocol": self.protocol,
        }


@dataclass(frozen=True)
class Result(Judged):
    """The report on a method."""

    report: Report


def read_embedded(folder: Path, left_out: Collection[str] = (), split: str = "test") -> Embedded:
    """Read the faces of a split from a table of embeddings, except those left out.

    Raises:
        DataError: if they can't be read, or embeddings are not of unit length.
    """
    table = read_faces(folder, splits=[split])
    embeddings = check_embeddings(embeddings_of(table), str(folder), table.num_rows)
    face_ids, identities = (table[name].to_numpy().astype(np.str_) for name in ("face_id", "identity"))
    faces = Faces(face_ids, identities, embeddings)
    return Embedded(faces.without(left_out), recognizer_of(table))


def check_probes(judge: str, references: Embedded, probes: Mapping[tuple[str, str], Embedded]) -> None:
    """Check that the probes are restored faces of the references, and the same ones for each method of a condition.

    Args:
        judge: the judge's name.
        references: the high-resolution faces.
        probes: the restored faces of each condition and method; see `evaluate`.

    Raises:
        DataError: if a method's faces are not those of the references or of the other methods, or another recognizer
            embedded them.
    """
    first: dict[str, Embedded] = {}
    for (condition, method), probe in probes.items():
        table = f"data/probes/{condition}/{method}/{judge}"
        name = "identities" if condition == NATIVE else "face_ids"  # a native face is in no other table
        if not np.isin(getattr(probe.faces, name), getattr(references.faces, name)).all():
            raise DataError(f"{table}: its faces are not those of data/gallery/{judge}; run `dvc repro`")
        if not np.array_equal(probe.faces.face_ids, first.setdefault(condition, probe).faces.face_ids):
            raise DataError(f"{table}: its faces are not those of the other methods; run `dvc repro`")
        if probe.recognizer != references.recognizer:
            raise DataError(
                f"{table}: embedded by {described(probe.recognizer)}; data/gallery/{judge}: by "
                f"{described(references.recognizer)}; run `dvc repro`"
            )


def evaluate(
    judge: str,
    references: Embedded,
    probes: Mapping[tuple[str, str], Embedded],
    replicates: int,
    confidence: float,
    seed: int,
) -> list[Result]:
    """Verify the test people by one judge: first the ceiling, then each method and condition under both protocols.

    lr-lr is left out if under the condition nobody has two faces left, or only one person is left.

    Args:
        judge: the judge's name.
        references: the high-resolution test faces.
        probes: for each condition and method, the restored faces, without those that the condition lost; under
            `native`, small faces of the same people.
        replicates: the number of bootstrap draws.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the draws, the same for all, so that methods can be compared draw by draw.

    Raises:
        DataError: if a method's faces are not those of the references or of the other methods, or there is nothing to
            compare.
    """
    check_probes(judge, references, probes)

    def result(condition: str, method: str, protocol: str, probe: Embedded, reference: Embedded | None) -> Result:
        pairs = AllPairs(probe.faces, reference.faces if reference else None)
        found = report(pair_histogram(pairs), replicates, confidence, seed)
        if reason := found.absent.get("d_prime"):
            raise DataError(f"{' '.join([condition, method]).strip()}, judge {judge}, {protocol}: {reason}")
        return Result(condition, method, judge, protocol, found)

    asked: list[tuple[str, str, str, Embedded, Embedded | None]] = [("", CEILING, HR_HR, references, None)]
    for (condition, method), probe in probes.items():
        asked.append((condition, method, LR_HR, probe, references))
        if 1 < len(set(probe.faces.identities)) < len(probe.faces.identities):
            asked.append((condition, method, LR_LR, probe, None))
    return [result(*question) for question in progress(asked, f"verify by {judge}", unit="protocol")]


def read_teachers(restored: Path, models: Iterable[str]) -> Teachers:
    """Read which recognizers the losses of models have seen, from the tables of the faces that they restored.

    Args:
        restored: the folder of those tables, for one condition.
        models: the names of the models.
    """
    return {model: teachers_of(restored / model) for model in models}


def box(judge: str, methods: Iterable[str], teachers: Teachers) -> str:
    """Return whether a judge is a white or a black box: `WHITE` if the loss of any of the methods has seen it."""
    return WHITE if any(judge in teachers.get(method, ()) for method in methods) else BLACK


def headline_judge(judges: Sequence[str], teachers: Teachers) -> str:
    """Return the first judge that no loss has seen, because a gain for the teacher alone may be adversarial."""
    return next(judge for judge in judges if box(judge, teachers, teachers) == BLACK)


def primary(results: Iterable[Result], judge: str, condition: str) -> list[Result]:
    """Return the results of the ceiling and of each method under lr-hr, for one judge and condition."""
    return [r for r in results if r.judge == judge and r.protocol in (LR_HR, HR_HR) and r.condition in ("", condition)]


def headline(results: Iterable[Result], judge: str, condition: str) -> dict[str, dict[str, float]]:
    """Return `{METHOD: {"d'": value, "d' CONDITION": value}}`, to four digits, which is more than intervals support.

    The entries are few and their names short, because each is a column of `dvc exp show`.

    Args:
        results: the results of all conditions, methods, judges and protocols.
        judge: the judge of the headline.
        condition: the condition of the headline, whose name is left out.
    """
    found: dict[str, dict[str, float]] = {}
    for r in results:
        if r.judge == judge and r.protocol in (LR_HR, HR_HR):
            name = D_PRIME if r.condition in ("", condition) else f"{D_PRIME} {r.condition}"
            found.setdefault(r.method, {})[name] = round(r.report.metrics["d_prime"].value, 4)
    return found


def verification_table(results: Iterable[Result], res: int, teachers: Teachers) -> list[dict[str, Any]]:
    """Return a row for each condition, method, judge and protocol, with all metrics and their intervals."""
    return [r.key_columns(res, teachers) | r.report.scalars() for r in results]


def difference_table(
    results: Sequence[Result], res: int, confidence: float, teachers: Teachers
) -> list[dict[str, Any]]:
    """Return the paired differences of any two methods, a row for each condition, judge and protocol.

    The second method of a row is the baseline, or else the one that comes first in the results.
    """
    baseline_first = sorted(results, key=lambda result: result.method != BASELINE)
    return [
        {
            "res": res,
            "condition": ours.condition,
            "method": ours.method,
            "baseline": theirs.method,
            "judge": ours.judge,
            "box": box(ours.judge, [ours.method, theirs.method], teachers),
            "protocol": ours.protocol,
            **columns(paired_difference(ours.report, theirs.report, confidence), ours.report.absent),
        }
        for theirs, ours in combinations(baseline_first, 2)
        if (ours.condition, ours.judge, ours.protocol) == (theirs.condition, theirs.judge, theirs.protocol)
    ]


def scalars(results: Sequence[Result], judge: str, condition: str) -> dict[str, float]:
    """Return the headline by METHOD.d', then every estimate by JUDGE/PROTOCOL/METHOD.NAME, without intervals.

    If the condition is not the headline's, the name begins with CONDITION/. MLflow lists metrics in the order in which
    they are logged. It puts charts whose names are equal up to the last slash into one section.

    Args:
        results: the results of all conditions, methods, judges and protocols.
        judge: the judge of the headline.
        condition: the condition of the headline.
    """
    first = {
        f"{method}.{name}": value
        for method, row in headline(results, judge, condition).items()
        for name, value in row.items()
    }
    return first | {
        f"{r.name(condition)}.{name}": round(estimate.value, 6)
        for r in results
        for name, estimate in r.report.metrics.items()
    }


def roc_table(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return the ROC curve of each method, with a row for each point."""
    return [
        {"method": method, "fpr": fmr, "tpr": tmr}
        for method, found in reports.items()
        for fmr, tmr in zip(found.roc.fmr, found.roc.tmr, strict=True)
    ]


def score_table(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return the densities of genuine and impostor scores of each method, with a row for each bin."""
    rows: list[dict[str, Any]] = []
    for method, found in reports.items():
        centres, *densities = found.density
        for pairs, density in zip(("genuine", "impostor"), densities, strict=True):
            named = {"method": method, "pairs": pairs}
            rows += [{**named, "score": x, "density": y} for x, y in zip(centres, density, strict=True)]
    return rows
