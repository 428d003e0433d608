"""Embeddings of the test people -> identification, for every condition, method and judge.

Each test photo is a probe, restored from a small one, and is searched for among the high-resolution photos of the test
people. The ceiling searches for the high-resolution photos themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftlgan.evaluation.judging import CEILING, HR_HR, LR_HR, Embedded, Judged, Teachers, check_probes
from ftlgan.params import Identify
from ftlgan.progress import progress
from ftlgan.verification.identification.gallery import Gallery
from ftlgan.verification.identification.report import Curve, IdentificationReport, report
from ftlgan.verification.identification.search import identify
from ftlgan.verification.pairs import Faces
from ftlgan.verification.report import columns


@dataclass(frozen=True)
class Found(Judged):
    """What one judge finds by one method under one condition."""

    without_mate: int
    """Probes left out, because the gallery holds no other photo of their person."""
    report: IdentificationReport


def search(
    judge: str,
    references: Embedded,
    probes: Mapping[tuple[str, str], Embedded],
    settings: Identify,
    replicates: int,
    confidence: float,
    seed: int,
) -> list[Found]:
    """Search for the test people by one judge: the ceiling first, then each method and condition.

    Where fewer than two people can be searched for, there is nothing to report.

    Args:
        judge: its name.
        references: the high-resolution test faces.
        probes: for each condition and method, the test faces that it restored.
        settings: who is enrolled, and how.
        replicates: bootstrap draws of people.
        confidence: of the intervals.
        seed: of the people left out of the gallery, and of the draws.

    Raises:
        DataError: if a method's faces are not of the references or not those of the other methods.
    """
    check_probes(judge, references, probes)
    gallery = Gallery(enrolled(references.faces, settings.photos), settings.fusion)
    asked = [("", CEILING, HR_HR, references.faces)]
    asked += [(condition, method, LR_HR, probe.faces) for (condition, method), probe in probes.items()]
    found: list[Found] = []
    for condition, method, protocol, faces in progress(asked, f"identify by {judge}", unit="method"):
        mated = with_mates(faces, gallery)
        if len(set(mated.identities)) > 1:
            closed, opened = identify(gallery, mated, left_out=settings.left_out, seed=seed)
            left_out = len(faces.face_ids) - len(mated.face_ids)
            metrics = report(closed, opened, replicates, confidence, seed)
            found.append(Found(condition, method, judge, protocol, left_out, metrics))
    return found


def enrolled(faces: Faces, photos: str) -> Faces:
    """Return the photos that the gallery holds: all, or the first of each person by name, where `photos` is `one`."""
    if photos == "all":
        return faces
    order = np.lexsort([faces.face_ids, faces.identities])
    return faces.take(np.sort(order[np.unique(faces.identities[order], return_index=True)[1]]))


def with_mates(probes: Faces, gallery: Gallery) -> Faces:
    """Return the probes whose person is in the gallery with another photo than the probe's own."""
    person = np.searchsorted(gallery.people, probes.identities).clip(max=len(gallery.people) - 1)
    known = gallery.people[person] == probes.identities
    own = np.isin(probes.face_ids, gallery.faces.face_ids)
    return probes.take(known & (gallery.counts[person] > own))


def identification_table(found: Iterable[Found], res: int, teachers: Teachers) -> list[dict[str, Any]]:
    """Return a row for each condition, method and judge, with all metrics and their intervals."""
    return [
        {
            **f.key_columns(res, teachers),
            "people": f.report.people,
            "enrolled": f.report.enrolled,
            "searches": f.report.searches,
            "without_mate": f.without_mate,
            "open_enrolled": f.report.open_enrolled,
            "mated": f.report.mated,
            "non_mated": f.report.non_mated,
            **columns(f.report.metrics, f.report.absent),
            **{name: at and at.score for name, at in f.report.thresholds.items()},
        }
        for f in found
    ]


def primary_searches(found: Iterable[Found], judge: str, condition: str) -> dict[str, IdentificationReport]:
    """Return the report of each method under one condition, and of the ceiling, by one judge."""
    return {f.method: f.report for f in found if f.judge == judge and f.condition in ("", condition)}


def curve_table(curves: Mapping[str, Curve | None], at: str, value: str) -> list[dict[str, Any]]:
    """Return a row for each point of the curve of each method.

    Args:
        curves: by method; None where there is none.
        at: the name of the column of places, e.g. `rank`.
        value: the name of the column of values.
    """
    return [
        dict(zip(("method", at, value, "lo", "hi"), (method, *point), strict=True))
        for method, curve in curves.items()
        if curve
        for point in zip(curve.at.tolist(), curve.value.tolist(), curve.lo.tolist(), curve.hi.tolist(), strict=True)
    ]


def identification_scalars(found: Sequence[Found], condition: str) -> dict[str, float]:
    """Return every estimate by JUDGE/PROTOCOL/METHOD.NAME, as `ftlgan.evaluation.judging.scalars` does."""
    return {
        f"{f.name(condition)}.{name}": round(estimate.value, 6)
        for f in found
        for name, estimate in f.report.metrics.items()
    }
