"""Every metric for every method, judge and protocol; and the sheet that shows the faces behind them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ftlgan.errors import DataError
from ftlgan.evaluation.contact_sheet import read_sheet
from ftlgan.evaluation.description import description
from ftlgan.evaluation.judging import (
    Embedded,
    Result,
    difference_table,
    evaluate,
    headline,
    headline_judge,
    read_teachers,
    roc_table,
    scalars,
    score_table,
    verification_table,
)
from ftlgan.faces import FACES, encode_png, restored_schema, write_faces
from ftlgan.verification.metrics import d_prime
from ftlgan.verification.pairs import Faces


def embedded(noise: float) -> Embedded:
    """Eight people of three photos each; the more noise, the less alike are photos of one person."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(8), 3)
    vectors = rng.normal(size=(8, 16))[who] + noise * np.random.default_rng(1).normal(size=(24, 16))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    recognizer = {"recognizer": "judge", "sha256": "0"}
    return Embedded(Faces(np.array([str(i) for i in range(24)]), np.array([f"p{i}" for i in who]), unit), recognizer)


@pytest.fixture(scope="module")
def results() -> list[Result]:
    probes = {("bicubic", "bicubic"): embedded(1.0), ("bicubic", "ftlgan"): embedded(0.5)}
    return evaluate("judge", embedded(0.2), probes, replicates=100, confidence=0.95, seed=0)


@pytest.fixture(scope="module")
def two_conditions() -> list[Result]:
    """In the second, the faces are noisier, and two are not found."""
    probes = {("bicubic", "bicubic"): embedded(1.0), ("bicubic", "ftlgan"): embedded(0.5)}
    for method, noise in (("bicubic", 2.0), ("ftlgan", 1.5)):
        found = embedded(noise)
        probes["detected", method] = replace(found, faces=found.faces.without(["3", "11"]))
    return evaluate("judge", embedded(0.2), probes, replicates=100, confidence=0.95, seed=0)


def test_each_condition_is_judged_by_itself_and_the_ceiling_once(two_conditions: list[Result]) -> None:
    found = [(r.condition, r.method) for r in two_conditions if r.protocol != "lr-lr"]
    each = [(condition, method) for condition in ("bicubic", "detected") for method in ("bicubic", "ftlgan")]
    assert found == [("", "hr"), *each]
    by_condition = {r.condition: r.report for r in two_conditions if (r.method, r.protocol) == ("ftlgan", "lr-hr")}
    assert by_condition["detected"].genuine == by_condition["bicubic"].genuine - 4, "each of the two has two others"
    rows = difference_table(two_conditions, 14, 0.95, {})
    assert [(row["condition"], row["protocol"]) for row in rows] == [
        (condition, protocol) for condition in ("bicubic", "detected") for protocol in ("lr-hr", "lr-lr")
    ]
    assert {row["condition"] for row in verification_table(two_conditions, 14, {})} == {"", "bicubic", "detected"}


@pytest.mark.parametrize("left", [["0", "3"], ["0", "1"]], ids=["a face each", "one person"])
def test_where_a_condition_leaves_no_pair_of_small_faces_there_is_no_lr_lr(left: list[str]) -> None:
    found = embedded(1.0)
    probe = replace(found, faces=found.faces.take(np.isin(found.faces.face_ids, left)))
    results = evaluate("judge", embedded(0.2), {("detected", "ftlgan"): probe}, 100, 0.95, 0)
    assert [result.protocol for result in results] == ["hr-hr", "lr-hr"]


def test_the_headlines_condition_goes_without_saying_and_the_others_are_named(two_conditions: list[Result]) -> None:
    top = headline(two_conditions, "judge", "bicubic")
    assert {method: list(row) for method, row in top.items()} == {
        "hr": ["d'"],
        "bicubic": ["d'", "d' detected"],
        "ftlgan": ["d'", "d' detected"],
    }
    assert top["ftlgan"]["d' detected"] < top["ftlgan"]["d'"]
    values = scalars(two_conditions, "judge", "bicubic")
    assert values["ftlgan.d' detected"] == round(values["detected/judge/lr-hr/ftlgan.d_prime"], 4)
    lines = description(two_conditions, "judge", ["bicubic", "detected"], 14, 0.95).splitlines()
    assert [line.split("|")[1].split(",")[0].strip() for line in lines[4:]] == [
        *("bicubic faces", "minus bicubic", "detected faces", "minus bicubic"),
    ]


def test_methods_of_one_condition_must_have_the_same_faces() -> None:
    fewer = replace(embedded(1.0), faces=embedded(1.0).faces.without(["3"]))
    probes = {("detected", "bicubic"): embedded(1.0), ("detected", "ftlgan"): fewer}
    with pytest.raises(DataError, match="data/probes/detected/ftlgan/judge: its faces are not those of the other meth"):
        evaluate("judge", embedded(0.2), probes, 100, 0.95, 0)


def test_each_method_stands_under_both_protocols_beside_the_ceiling(results: list[Result]) -> None:
    assert [(r.method, r.protocol) for r in results] == [
        ("hr", "hr-hr"),
        *((method, protocol) for method in ("bicubic", "ftlgan") for protocol in ("lr-hr", "lr-lr")),
    ]


def test_metrics_are_those_of_a_naive_loop(results: list[Result]) -> None:
    probes, references = embedded(1.0).faces, embedded(0.2).faces
    pairs = [(i, j) for i in range(24) for j in range(24) if i != j]
    scores = {True: [], False: []}
    for i, j in pairs:
        scores[bool(probes.identities[i] == references.identities[j])].append(
            float(probes.embeddings[i] @ references.embeddings[j])
        )
    found = next(r for r in results if (r.method, r.protocol) == ("bicubic", "lr-hr"))
    assert (found.report.genuine, found.report.impostor) == (len(scores[True]), len(scores[False]))
    assert found.report.metrics["d_prime"].value == pytest.approx(d_prime(scores[True], scores[False]), rel=1e-5)


def test_less_noise_is_a_gain_over_the_baseline(results: list[Result]) -> None:
    rows = difference_table(results, 14, 0.95, {})
    assert [(row["method"], row["baseline"], row["protocol"]) for row in rows] == [
        ("ftlgan", "bicubic", "lr-hr"),
        ("ftlgan", "bicubic", "lr-lr"),
    ]
    assert all(0 < row["d_prime_lo"] < row["d_prime"] < row["d_prime_hi"] for row in rows)


def test_each_two_methods_are_compared_and_bicubic_is_always_the_baseline() -> None:
    noise = {"gfpgan": 0.7, "bicubic": 1.0, "ftlgan": 0.5}
    probes = {("box", method): embedded(value) for method, value in noise.items()}
    rows = difference_table(evaluate("judge", embedded(0.2), probes, 100, 0.95, 0), 14, 0.95, {})
    pairs = [(row["method"], row["baseline"]) for row in rows if row["protocol"] == "lr-hr"]
    assert pairs == [("gfpgan", "bicubic"), ("ftlgan", "bicubic"), ("ftlgan", "gfpgan")]


def test_the_headline_is_of_lr_hr_and_the_ceiling(results: list[Result]) -> None:
    table = {(row["method"], row["protocol"]): row for row in verification_table(results, 14, {})}
    top = headline(results, "judge", "bicubic")
    assert list(top) == ["hr", "bicubic", "ftlgan"]
    assert top["ftlgan"]["d'"] == pytest.approx(table["ftlgan", "lr-hr"]["d_prime"], abs=1e-4)
    assert top["hr"]["d'"] == pytest.approx(table["hr", "hr-hr"]["d_prime"], abs=1e-4)
    assert headline(results, "somebody else", "bicubic") == {}


def test_the_tracking_server_gets_the_headline_first(results: list[Result]) -> None:
    found = scalars(results, "judge", "bicubic")
    assert list(found)[:4] == ["hr.d'", "bicubic.d'", "ftlgan.d'", "judge/hr-hr/hr.d_prime"]
    assert len(found) == 3 + len(results) * len(results[0].report.metrics)
    assert found["ftlgan.d'"] == round(found["judge/lr-hr/ftlgan.d_prime"], 4)


def test_the_description_is_a_table_of_d_prime_with_intervals_and_gains(results: list[Result]) -> None:
    title, _, heading, _, *rows = description(results, "judge", ["bicubic"], 14, 0.95).splitlines()
    assert title.startswith("14 px, restored against high-resolution faces of 8 people, judged by judge")
    (first, *methods), d_primes, gains = ([cell.strip() for cell in row.split("|")[1:-1]] for row in (heading, *rows))
    assert (first, methods) == ("", ["hr", "bicubic", "ftlgan"])
    assert (d_primes[0], gains[0]) == ("bicubic faces, d' [95% interval]", "minus bicubic, paired")
    of_ftlgan = next(r.report for r in results if (r.method, r.protocol) == ("ftlgan", "lr-hr")).metrics["d_prime"]
    assert d_primes[3] == f"{of_ftlgan.value:.2f} [{of_ftlgan.lo:.2f}, {of_ftlgan.hi:.2f}]"
    [gain] = [row for row in difference_table(results, 14, 0.95, {}) if row["protocol"] == "lr-hr"]
    assert gains[3] == f"{gain['d_prime']:+.2f} [{gain['d_prime_lo']:+.2f}, {gain['d_prime_hi']:+.2f}]"
    assert gains[1:3] == ["", ""]


def test_the_headline_judge_is_in_no_loss() -> None:
    assert headline_judge(["sface", "mine", "dlib"], {"ftlgan": ["sface"], "other": ["mine", "sface"]}) == "dlib"
    assert headline_judge(["sface", "mine", "dlib"], {"ftlgan": ["sface"]}) == "mine"
    assert headline_judge(["sface"], {}) == "sface", "where nothing is trained"


def test_a_judge_is_a_white_box_for_models_whose_loss_has_seen_it_and_for_differences_to_them(
    results: list[Result],
) -> None:
    teachers = {"ftlgan": {"judge", "sface"}, "esrgan-like": {"sface"}}
    rows = verification_table(results, 14, teachers)
    assert {row["method"]: row["box"] for row in rows} == {"hr": "black", "bicubic": "black", "ftlgan": "white"}
    assert {row["box"] for row in difference_table(results, 14, 0.95, teachers)} == {"white"}
    assert {row["box"] for row in verification_table(results, 14, {"ftlgan": {"sface"}})} == {"black"}


def test_teachers_are_read_from_what_the_models_restored(tmp_path: Path) -> None:
    teachers = {"ftlgan": ["sface", "mine"], "other": ["sface"]}
    for model, names in teachers.items():
        write_faces(tmp_path / model, restored_schema(names), [])
    assert read_teachers(tmp_path, teachers) == teachers
    write_faces(tmp_path / "old", FACES, [])
    with pytest.raises(DataError, match="does not name the recognizers in the loss; run `dvc repro`"):
        read_teachers(tmp_path, ["old"])


def test_curves_have_every_method(results: list[Result]) -> None:
    reports = {r.method: r.report for r in results if r.protocol != "lr-lr"}
    curve = [(row["fpr"], row["tpr"]) for row in roc_table(reports) if row["method"] == "ftlgan"]
    assert (curve[0], curve[-1]) == ((0, 0), (1, 1))
    rows = [row for row in score_table(reports) if row["method"] == "hr"]
    assert {row["pairs"] for row in rows} == {"genuine", "impostor"}


def test_other_faces_are_refused() -> None:
    probe = embedded(1.0)
    other = replace(probe, faces=replace(probe.faces, face_ids=np.char.add(probe.faces.face_ids, "x")))
    with pytest.raises(DataError, match="data/probes/box/bicubic/judge: its faces are not those of data/gallery/judge"):
        evaluate("judge", embedded(0.2), {("box", "bicubic"): other}, 100, 0.95, 0)


def test_embeddings_of_other_weights_are_refused() -> None:
    other = replace(embedded(1.0), recognizer={"recognizer": "judge", "sha256": "1"})
    with pytest.raises(
        DataError, match=r"data/probes/box/bicubic/judge: embedded by judge, SHA-256 1; .*judge, SHA-256 0"
    ):
        evaluate("judge", embedded(0.2), {("box", "bicubic"): other}, 100, 0.95, 0)


def test_a_row_of_the_sheet_is_one_photo_in_every_column(tmp_path: Path) -> None:
    """Each face is one grey, which says whose and which photo it is."""
    sizes = {"aligned": 112, "test/detected": 14, "restored/detected/bicubic": 112}
    for table, size in sizes.items():
        faces = [(f"p{i}", j, np.full((size, size, 3), 10 * i + j, np.uint8)) for i in range(3) for j in range(2)]
        if table != "aligned":
            faces = [face for face in faces if face[0] != "p0" and face[:2] != ("p1", 0)]  # not found
        rows = [
            {"face_id": f"{p}/{j}", "identity": p, "split": "train" if p == "p0" else "test", "image": encode_png(face)}
            for p, j, face in faces
        ]
        write_faces(tmp_path / table, FACES, rows)
    sheet = read_sheet(tmp_path, "detected", ["bicubic"], people=5)
    assert list(sheet) == ["hr", "lr", "bicubic"]
    assert [[int(face[0, 0, 0]) for face in column] for column in sheet.values()] == [[11, 20]] * 3
    assert sheet["lr"][0].shape == (14, 14, 3)
    assert read_sheet(tmp_path, "detected", ["bicubic"], people=0) == {"hr": [], "lr": [], "bicubic": []}
