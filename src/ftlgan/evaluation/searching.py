"""Embeddings of the test people -> identification, for every condition, method and judge.

Each probe is a restored test photo, whose person is searched for among the high-resolution photos of the test people.
For the ceiling, the probes are the high-resolution photos themselves.
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
    """The identification report of one method for one judge and condition."""

    without_mate: int
    """The number of probes left out because the gallery has no other photo of their person."""
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
    """Search for the test people by one judge: first the ceiling, then each method and condition.

    If fewer than two people can be searched for, there is no report.

    Args:
        judge: the judge's name.
        references: the high-resolution test faces.
        probes: the restored test faces of each condition and method.
        settings: the settings of the gallery.
        replicates: the number of bootstrap draws.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the people left out of the gallery and of the draws.

    Raises:
        DataError: if a method's faces are not those of the references or of the other methods.
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
    """Return the photos of the gallery: all, or if `photos` is `one`, the first photo of each person by name."""
    if photos == "all":
        return faces
    order = np.lexsort([faces.face_ids, faces.identities])
    return faces.take(np.sort(order[np.unique(faces.identities[order], return_index=True)[1]]))


def with_mates(probes: Faces, gallery: Gallery) -> Faces:
    """Return the probes whose person has a photo in the gallery other than the probe itself."""
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
    """Return the reports of the ceiling and of each method, for one judge and condition."""
    return {f.method: f.report for f in found if f.judge == judge and f.condition in ("", condition)}


def curve_table(curves: Mapping[str, Curve | None], at: str, value: str) -> list[dict[str, Any]]:
    """Return a row for each point of the curve of each method.

    Args:
        curves: the curve of each method; None without one.
        at: the name of the first column, such as `rank`.
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
