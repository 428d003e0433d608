"""Embeddings of the test people -> every metric, for every condition, method, judge and protocol.

A judge is a recognizer that scores restored faces: see `ftlgan.recognition`.
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
"""The name under which the high-resolution faces stand beside the methods: the ceiling."""
LR_HR, LR_LR, HR_HR = "lr-hr", "lr-lr", "hr-hr"
"""Protocols: probe and reference."""
WHITE, BLACK = "white", "black"
"""What a judge is to a model: a recognizer that the model's loss has seen, or one that it has not."""
D_PRIME = "d'"
"""The name of the headline's metric."""
BASELINE = "bicubic"
"""The method that the others are held against."""

Teachers = Mapping[str, Collection[str]]
"""The recognizers that the loss of each model has seen. A method that is not trained here has seen none."""


@dataclass(frozen=True)
class Embedded:
    """Faces as one judge sees them."""

    faces: Faces
    recognizer: dict[str, str]
    """Name and SHA-256 of the judge: embeddings of two digests cannot be compared."""


@dataclass(frozen=True)
class Judged:
    """What was judged: one method before one judge under one condition and protocol."""

    condition: str
    """What the test faces went through; empty for the ceiling."""
    method: str
    judge: str
    protocol: str

    def name(self, headline: str) -> str:
        """Return JUDGE/PROTOCOL/METHOD, below CONDITION/ where the condition is not the headline's."""
        below = "" if self.condition in ("", headline) else f"{self.condition}/"
        return f"{below}{self.judge}/{self.protocol}/{self.method}"

    def key_columns(self, res: int, teachers: Teachers) -> dict[str, Any]:
        """Return what the row of a table begins with."""
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
    """The report of a method."""

    report: Report


def read_embedded(folder: Path, left_out: Collection[str] = (), split: str = "test") -> Embedded:
    """Read the faces of a split from a table of embeddings, but those left out.

    Raises:
        DataError: if they can't be read, or are not embeddings of unit length.
    """
    table = read_faces(folder, splits=[split])
    embeddings = check_embeddings(embeddings_of(table), str(folder), table.num_rows)
    face_ids, identities = (table[name].to_numpy().astype(np.str_) for name in ("face_id", "identity"))
    faces = Faces(face_ids, identities, embeddings)
    return Embedded(faces.without(left_out), recognizer_of(table))


def check_probes(judge: str, references: Embedded, probes: Mapping[tuple[str, str], Embedded]) -> None:
    """Check that the probes are restored faces of the references, the same ones for each method of a condition.

    Args:
        judge: its name.
        references: the high-resolution faces.
        probes: for each condition and method, what it restored; see `evaluate`.

    Raises:
        DataError: if a method's faces are not of the references or not those of the other methods, or another
            recognizer embedded them.
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
    """Verify the test people by one judge: the ceiling first, then each method and condition under both protocols.

    Where a condition leaves nobody two faces, or one person alone, there is no lr-lr under it.

    Args:
        judge: its name.
        references: the high-resolution test faces.
        probes: for each condition and method, the same faces restored by the method, or those of them that the
            condition left; under `native`, small faces of the same people.
        replicates: bootstrap draws of people.
        confidence: of the intervals.
        seed: of the draws; the same for all, so that methods can be compared draw by draw.

    Raises:
        DataError: if a method's faces are not of the references or not those of the other methods, or there is
            nothing to compare.
    """
    check_probes(judge, references, probes)

    def result(condition: str, method: str, protocol: str, probe: Embedded, reference: Embedded | None) -> Result:
        pairs = AllPairs(probe.faces, reference.faces if reference else None)
        found = report(pair_histogram(pairs), replicates, confidence, seed)
        if reason := found.absent.get("d_prime"):
            raise DataError(f"{' '.join([condition, method]).strip()} before {judge}, {protocol}: {reason}")
        return Result(condition, method, judge, protocol, found)

    asked: list[tuple[str, str, str, Embedded, Embedded | None]] = [("", CEILING, HR_HR, references, None)]
    for (condition, method), probe in probes.items():
        asked.append((condition, method, LR_HR, probe, references))
        if 1 < len(set(probe.faces.identities)) < len(probe.faces.identities):
            asked.append((condition, method, LR_LR, probe, None))
    return [result(*question) for question in progress(asked, f"verify by {judge}", unit="protocol")]


def read_teachers(restored: Path, models: Iterable[str]) -> Teachers:
    """Read which recognizers the losses of models have seen, as the tables of what they restored say.

    Args:
        restored: the folder of those tables, for one condition.
        models: by name.
    """
    return {model: teachers_of(restored / model) for model in models}


def box(judge: str, methods: Iterable[str], teachers: Teachers) -> str:
    """Tell what a judge is to methods or models: `WHITE` if the loss of one of them has seen it, else `BLACK`."""
    return WHITE if any(judge in teachers.get(method, ()) for method in methods) else BLACK


def headline_judge(judges: Sequence[str], teachers: Teachers) -> str:
    """Return the first judge that no loss has seen: a gain that only the teacher sees is an adversarial pattern."""
    return next(judge for judge in judges if box(judge, teachers, teachers) == BLACK)


def primary(results: Iterable[Result], judge: str, condition: str) -> list[Result]:
    """Return each method under lr-hr and one condition, and the ceiling, by one judge."""
    return [r for r in results if r.judge == judge and r.protocol in (LR_HR, HR_HR) and r.condition in ("", condition)]


def headline(results: Iterable[Result], judge: str, condition: str) -> dict[str, dict[str, float]]:
    """Return `{METHOD: {"d'": value, "d' CONDITION": value}}`, to four digits: more than the intervals support.

    No more than that and no longer names, because each makes a column of `dvc exp show`.

    Args:
        results: of all conditions, methods, judges and protocols.
        judge: the one that the headline rests on.
        condition: the one that the headline rests on, which goes without saying.
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
    """Return a row for each two methods, condition, judge and protocol: their paired differences.

    The second is the baseline, or else the method that is named first.
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

    The names of estimates of another condition than the headline's begin with CONDITION/.

    MLflow lists metrics in the order in which it gets them, and makes a section of its charts of those that have the
    same name up to the last slash.

    Args:
        results: of all conditions, methods, judges and protocols.
        judge: the one that the headline rests on.
        condition: likewise.
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
    """Return the ROC curve of each method, a row a point."""
    return [
        {"method": method, "fpr": fmr, "tpr": tmr}
        for method, found in reports.items()
        for fmr, tmr in zip(found.roc.fmr, found.roc.tmr, strict=True)
    ]


def score_table(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return the densities of genuine and impostor scores of each method, a row a bin."""
    rows: list[dict[str, Any]] = []
    for method, found in reports.items():
        centres, *densities = found.density
        for pairs, density in zip(("genuine", "impostor"), densities, strict=True):
            named = {"method": method, "pairs": pairs}
            rows += [{**named, "score": x, "density": y} for x, y in zip(centres, density, strict=True)]
    return rows
