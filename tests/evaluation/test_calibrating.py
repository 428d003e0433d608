"""Scores to likelihood ratios: fitted on some people, reported on others, for every method, judge and protocol."""

from pathlib import PurePath

import numpy as np
import pytest

from ftlgan.errors import DataError
from ftlgan.evaluation.calibrating import Calibrated, People, calibrate, calibration_scalars, calibration_table
from ftlgan.evaluation.judging import Embedded
from ftlgan.verification.calibration.counts import count_pairs
from ftlgan.verification.calibration.fit import fit
from ftlgan.verification.calibration.plots import calibration_plot
from ftlgan.verification.calibration.report import report
from ftlgan.verification.pairs import AllPairs, Faces

JUDGE = {"recognizer": "judge", "sha256": "0"}
DRAWS = (100, 0.95, 0)


def embedded(noise: float, people: int, split: str) -> Embedded:
    """Some people of three photos each; the more noise, the less alike are photos of one person."""
    seed = {"val": 0, "test": 2}[split]
    who = np.repeat(np.arange(people), 3)
    vectors = np.random.default_rng(seed).normal(size=(people, 16))[who]
    vectors = vectors + noise * np.random.default_rng(seed + 1).normal(size=(len(who), 16))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = np.array([f"{split}{person}/{photo}" for person in range(people) for photo in range(3)])
    return Embedded(Faces(names, np.array([f"{split}{i}" for i in who]), unit), JUDGE)


def people(split: str, count: int = 12) -> People:
    probes = {("box", "bicubic"): embedded(1.0, count, split), ("box", "ftlgan"): embedded(0.6, count, split)}
    return People(embedded(0.3, count, split), probes)


@pytest.fixture(scope="module")
def calibrated() -> list[Calibrated]:
    return calibrate("judge", people("val"), people("test"), ["lr-hr", "lr-lr"], 14, *DRAWS)


def test_each_method_stands_under_each_protocol_beside_the_ceiling(calibrated: list[Calibrated]) -> None:
    assert [(c.condition, c.method, c.protocol) for c in calibrated] == [
        ("", "hr", "hr-hr"),
        *(("box", method, protocol) for method in ("bicubic", "ftlgan") for protocol in ("lr-hr", "lr-lr")),
    ]
    assert [c.file for c in calibrated[:2]] == [
        PurePath("hr-hr/hr/judge.json"),
        PurePath("lr-hr/box/bicubic/judge.json"),
    ]


def test_a_calibration_is_that_of_the_validation_people_and_its_report_that_of_the_test_people(
    calibrated: list[Calibrated],
) -> None:
    val, test = (
        count_pairs(AllPairs(some.probes["box", "ftlgan"].faces, some.references.faces))
        for some in (people("val"), people("test"))
    )
    theirs = fit(val, JUDGE, "cosine", "14 px", "box", "lr-hr", *DRAWS)
    ours = next(c for c in calibrated if (c.method, c.protocol) == ("ftlgan", "lr-hr"))
    assert ours.fitted and ours.fitted[0] == theirs
    assert ours.fitted[1].metrics == report(theirs.line, test, *DRAWS).metrics
    row = calibration_table([ours], 14, {"ftlgan": ["judge"]})[0]
    assert (row["fit_people"], row["people"], row["box"], row["absent"]) == (12, 12, "white", "")
    assert row["cllr_lo"] <= row["cllr"] <= row["cllr_hi"] and row["cllr"] == pytest.approx(
        row["cllr_min"] + row["cllr_cal"], abs=2e-6
    )
    assert calibration_scalars([ours], "box") == {
        "judge/lr-hr/ftlgan.cllr": row["cllr"],
        "judge/lr-hr/ftlgan.cllr_min": row["cllr_min"],
    }


def test_less_noise_costs_less(calibrated: list[Calibrated]) -> None:
    costs = {c.method: c.fitted[1].metrics["cllr"].value for c in calibrated if c.fitted and c.protocol != "lr-lr"}
    assert costs["hr"] < costs["ftlgan"] < costs["bicubic"] < 1


def test_a_copy_among_the_validation_people_counts_once() -> None:
    val = people("val")
    faces = val.references.faces
    again = Faces(
        np.append(faces.face_ids, "val0/copy"),
        np.append(faces.identities, "val0"),
        np.concatenate([faces.embeddings, faces.embeddings[:1]]),
    )
    copied = People(Embedded(again, JUDGE), val.probes)
    (once,), (twice,) = (calibrate("judge", some, people("test"), [], 14, *DRAWS) for some in (val, copied))
    assert once.fitted and twice.fitted and once.fitted[0] == twice.fitted[0]


def test_too_few_validation_people_leave_a_row_that_says_so() -> None:
    found = calibrate("judge", people("val", 4), people("test"), ["lr-hr"], 14, *DRAWS)
    rows = calibration_table(found, 14, {})
    assert [row["method"] for row in rows] == ["hr", "bicubic", "ftlgan"]
    assert all("4 people have genuine scores, but a calibration needs 5" in row["absent"] for row in rows)
    assert all(row["cllr"] is None and row["cllr_min_lo"] is None for row in rows)
    assert calibration_scalars(found, "box") == {}
    assert calibration_plot({}).axes[0].texts[0].get_text() == "no calibration"


def test_a_condition_that_leaves_no_validation_face_leaves_a_row_that_says_so() -> None:
    val = people("val")
    nobody = {key: Embedded(probe.faces.take(np.arange(0)), JUDGE) for key, probe in val.probes.items()}
    found = calibrate("judge", People(val.references, nobody), people("test"), ["lr-hr"], 14, *DRAWS)
    assert [bool(c.fitted) for c in found] == [True, False, False]
    assert "give no genuine or no impostor pair" in found[1].reason


def test_validation_faces_of_another_recognizer_are_refused() -> None:
    val = people("val")
    other = People(Embedded(val.references.faces, {"recognizer": "judge", "sha256": "1"}), val.probes)
    with pytest.raises(DataError, match="data/probes/box/bicubic/judge: embedded by"):
        calibrate("judge", other, people("test"), ["lr-hr"], 14, *DRAWS)


def test_the_picture_has_a_panel_for_each_calibration(calibrated: list[Calibrated]) -> None:
    shown = {c.method: c.fitted for c in calibrated if c.fitted and c.protocol != "lr-lr"}
    axes = calibration_plot(shown).axes
    assert [panel.get_title() for panel in axes] == ["hr", "bicubic", "ftlgan"]
    for panel, (calibration, _) in zip(axes, shown.values(), strict=True):
        assert panel.get_xlim() == pytest.approx((calibration.line.lowest, calibration.line.highest))
        low, high = panel.get_ylim()
        assert low < calibration.line.lower_bound and calibration.line.upper_bound < high
