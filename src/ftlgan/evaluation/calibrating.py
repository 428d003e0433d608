"""Embeddings of validation and test people -> likelihood ratios, for every condition, method, judge and protocol.

A calibration is fitted on the validation people and reported on the test people, under the same condition and method.
A model's EMA weights were selected on the validation people, as judged by its teacher. So the scores of a model by its
teacher are slightly better on them than on other people. The test people show how far a calibration is off.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ftlgan.errors import DataError
from ftlgan.evaluation.judging import CEILING, HR_HR, LR_HR, Embedded, Judged, Teachers, check_probes
from ftlgan.progress import progress
from ftlgan.verification.calibration.counts import CountedScores, count_pairs
from ftlgan.verification.calibration.fit import fit
from ftlgan.verification.calibration.model import Calibration
from ftlgan.verification.calibration.report import CalibrationReport, report
from ftlgan.verification.pairs import AllPairs
from ftlgan.verification.report import columns
from ftlgan.verification.tables import copies

METRICS = ("cllr", "cllr_min", "cllr_cal", "eer")
"""The metrics reported for a calibration."""

Probes = Mapping[tuple[str, str], Embedded]
"""The restored faces, by condition and method."""


@dataclass(frozen=True)
class People:
    """The faces of one split, embedded by one judge."""

    references: Embedded
    """The high-resolution faces."""
    probes: Probes


@dataclass(frozen=True)
class Calibrated(Judged):
    """The calibration of one method for one judge, condition and protocol."""

    fitted: tuple[Calibration, CalibrationReport] | None
    """The calibration, and its report on the test people; None if it could not be fitted or tested."""
    reason: str
    """The reason why `fitted` is None; else empty."""

    @property
    def file(self) -> PurePath:
        """The file of the calibration in the folder of all calibrations: PROTOCOL/CONDITION/METHOD/JUDGE.json."""
        return PurePath(self.protocol, self.condition, self.method, f"{self.judge}.json")


def calibrate(
    judge: str,
    val: People,
    test: People,
    protocols: Sequence[str],
    res: int,
    replicates: int,
    confidence: float,
    seed: int,
) -> list[Calibrated]:
    """Calibrate the scores of one judge: first the ceiling, then each method, condition and protocol.

    Args:
        judge: the judge's name.
        val: the validation people, to fit on; byte-identical copies among their photos are left out.
        test: the test people, to report on.
        protocols: `lr-hr`, `lr-lr`, or both.
        res: width and height of the small faces, pixels.
        replicates: the number of bootstrap draws.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the draws.

    Raises:
        DataError: if a method's faces are not those of the references or of the other methods.
    """
    for people in (val, test):
        check_probes(judge, people.references, people.probes)
    asked = [("", CEILING, HR_HR)]
    asked += [(condition, method, protocol) for condition, method in test.probes for protocol in protocols]
    found: list[Calibrated] = []
    for condition, method, protocol in progress(asked, f"calibrate by {judge}", unit="protocol"):
        described = (f"{res} px" if condition else None, condition or None, protocol)
        fitted, reason = None, ""
        try:
            scores = _count(val, condition, method, protocol)
            calibration = fit(scores, val.references.recognizer, "cosine", *described, replicates, confidence, seed)
            tested = _count(test, condition, method, protocol)
            fitted = calibration, report(calibration.line, tested, replicates, confidence, seed)
        except DataError as error:  # too few people, or useless scores: the table gives the reason
            reason = str(error)
        found.append(Calibrated(condition, method, judge, protocol, fitted, reason))
    return found


def _count(people: People, condition: str, method: str, protocol: str) -> CountedScores:
    """Count the scores of the pairs of a protocol."""
    references = people.references.faces
    probes = references if protocol == HR_HR else people.probes[condition, method].faces
    same = copies(references, probes)
    probes, references = probes.without(same), references.without(same)
    return count_pairs(AllPairs(probes, references if protocol == LR_HR else None))


def calibration_table(found: Iterable[Calibrated], res: int, teachers: Teachers) -> list[dict[str, Any]]:
    """Return a row for each condition, method, judge and protocol, with all metrics and their intervals."""
    return [c.key_columns(res, teachers) | _row(c) for c in found]


def _row(found: Calibrated) -> dict[str, Any]:
    if not found.fitted:
        return {**columns({}, METRICS), "absent": found.reason}
    calibration, tested = found.fitted
    line = {name: round(value, 6) for name, value in calibration.line.model_dump().items()}
    return {
        "fit_people": calibration.people,
        "fit_genuine": calibration.genuine,
        "fit_impostor": calibration.impostor,
        "people": tested.people,
        "genuine": tested.genuine,
        "impostor": tested.impostor,
        "outside": tested.outside,
        **columns(tested.metrics, ()),
        **line,
        "absent": "",
    }


def calibration_scalars(found: Iterable[Calibrated], condition: str) -> dict[str, float]:
    """Return Cllr and Cllr_min by JUDGE/PROTOCOL/METHOD.NAME, as `ftlgan.evaluation.judging.scalars` does."""
    return {
        f"{c.name(condition)}.{name}": round(c.fitted[1].metrics[name].value, 6)
        for c in found
        if c.fitted
        for name in ("cllr", "cllr_min")
    }
