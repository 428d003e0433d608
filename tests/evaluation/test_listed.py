"""A list of pairs, judged by every method and judge under both protocols."""

from pathlib import Path

import numpy as np
import pytest

from ftlgan.errors import DataError
from ftlgan.evaluation.judging import Embedded
from ftlgan.evaluation.listed import (
    ListResult,
    check_nobody_listed_is_trained_on,
    has_pairs,
    list_scalars,
    list_table,
    verify,
)
from ftlgan.faces import FACES, write_faces
from ftlgan.verification.listed_scores import fold_accuracy
from ftlgan.verification.metrics import auc
from ftlgan.verification.pair_list import read_pairs, write_pairs
from ftlgan.verification.pairs import Faces

FOLDS, PER_KIND, PEOPLE = 5, 8, 20


def embedded(noise: float) -> Embedded:
    """Twenty people of three photos each; the more noise, the less alike are photos of one person."""
    who = np.repeat(np.arange(PEOPLE), 3)
    vectors = np.random.default_rng(0).normal(size=(PEOPLE, 16))[who]
    vectors = vectors + noise * np.random.default_rng(1).normal(size=(len(who), 16))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = np.array([f"p{person}/{photo:04}.jpg" for person in range(PEOPLE) for photo in (1, 2, 3)])
    return Embedded(Faces(names, np.array([f"p{i}" for i in who]), unit), {"recognizer": "judge", "sha256": "0"})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pairs.txt of five folds, one of whose people is nowhere else, as the stage `fetch` writes it."""
    rng, lines = np.random.default_rng(2), [f"{FOLDS}\t{PER_KIND}"]
    for fold in range(FOLDS):
        lines += [f"p{rng.integers(PEOPLE)}\t1\t{rng.integers(2, 4)}" for _ in range(PER_KIND)]
        for _ in range(PER_KIND - (fold == 0)):
            one, other = rng.choice(PEOPLE, 2, replace=False)
            lines.append(f"p{one}\t{rng.integers(1, 4)}\tp{other}\t1")
        lines += ["p1\t1\tstranger\t1"] * (fold == 0)
    folder = tmp_path_factory.mktemp("list")
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    write_pairs(folder / "pairs.csv", read_pairs(folder / "pairs.txt"))
    return folder / "pairs.csv"


@pytest.fixture(scope="module")
def results(path: Path) -> list[ListResult]:
    probes = {("box", "bicubic"): embedded(1.3), ("box", "ftlgan"): embedded(0.7)}
    return verify(path, "judge", embedded(0.3), probes, 100, 0.95, 0)


def test_each_method_stands_under_both_protocols_beside_the_ceiling(results: list[ListResult]) -> None:
    assert [(r.condition, r.method, r.protocol) for r in results] == [
        ("", "hr", "hr-hr"),
        *(("box", method, protocol) for method in ("bicubic", "ftlgan") for protocol in ("lr-hr", "lr-lr")),
    ]


def test_scores_are_of_the_restored_first_photo_and_the_second_one_or_both_restored(
    path: Path, results: list[ListResult]
) -> None:
    faces = {"lr": embedded(0.7).faces, "hr": embedded(0.3).faces}
    row = {name.removesuffix(".jpg"): k for k, name in enumerate(faces["hr"].face_ids.tolist())}
    pairs = [pair for pair in read_pairs(path) if pair.reference in row]
    for result in results[3:]:
        first, second = (faces[side].embeddings.astype(float) for side in result.protocol.split("-"))
        scores = np.array([first[row[pair.probe]] @ second[row[pair.reference]] for pair in pairs])
        genuine = np.array([pair.genuine for pair in pairs])
        folds = np.array([int(pair.fold) for pair in pairs])
        assert result.listed.scores == pytest.approx(scores, abs=1e-6)
        assert (expected := fold_accuracy(scores, genuine, folds))
        assert result.rates["accuracy"].mean == pytest.approx(expected.mean)
        assert result.report.metrics["auc"].value == pytest.approx(auc(scores[genuine], scores[~genuine]))


def test_less_noise_is_judged_better(results: list[ListResult]) -> None:
    accuracy = {r.method: r.rates["accuracy"].mean for r in results if r.rates and r.protocol != "lr-lr"}
    assert accuracy["hr"] >= accuracy["ftlgan"] > accuracy["bicubic"]


def test_the_table_says_what_was_left_out_and_gives_each_rate_with_its_error(results: list[ListResult]) -> None:
    rows = list_table(results, 14, {"ftlgan": ["judge"]})
    assert [row["box"] for row in rows] == ["black", "black", "black", "white", "white"]
    assert all((row["left_out"], row["genuine"], row["impostor"]) == (1, 40, 39) for row in rows)
    assert all(row["folds"] == FOLDS and 0 < row["accuracy_error"] < 0.2 for row in rows[1:])
    assert all(0 <= row["tar_at_far_0.001"] <= 1 and row["auc_lo"] <= row["auc"] <= row["auc_hi"] for row in rows)
    scalars = list_scalars(results, "box")
    assert scalars["judge/lr-hr/ftlgan.pairs_accuracy"] == rows[3]["accuracy"]


def test_one_fold_gives_no_accuracy(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("2\np1\t1\t2\np2\t1\t2\np1\t1\tp2\t3\np3\t1\tp4\t1\n")
    (result,) = verify(tmp_path / "one.txt", "judge", embedded(0.3), {}, 100, 0.95, 0)
    (row,) = list_table([result], 14, {})
    assert (row["folds"], row["accuracy"], row["tar_at_far_0.001"]) == (None, None, None)
    assert row["auc"] == 1.0


def test_a_condition_that_leaves_no_genuine_pair_has_no_result(path: Path) -> None:
    faces = embedded(0.7).faces
    left = Embedded(faces.take(np.isin(faces.face_ids, ["p1/0001.jpg", "p2/0003.jpg"])), embedded(0.7).recognizer)
    found = verify(path, "judge", embedded(0.3), {("detected", "ftlgan"): left}, 100, 0.95, 0)
    assert ("ftlgan", "lr-lr") not in {(r.method, r.protocol) for r in found}


def test_nobody_of_the_list_may_be_trained_on(path: Path, tmp_path: Path) -> None:
    def aligned(**splits: str) -> Path:
        rows = [{"face_id": f"{who}/1", "identity": who, "split": split, "image": b""} for who, split in splits.items()]
        write_faces(tmp_path / "aligned", FACES, rows)
        return tmp_path / "aligned"

    check_nobody_listed_is_trained_on(path, aligned(p1="test", somebody="train"))
    with pytest.raises(DataError, match="aligned: p1 is in the list of pairs and in training or validation"):
        check_nobody_listed_is_trained_on(path, aligned(p1="val", somebody="train"))


def test_a_list_may_be_empty(path: Path, tmp_path: Path) -> None:
    write_pairs(tmp_path / "none.csv", [])
    assert has_pairs(path) and not has_pairs(tmp_path / "none.csv")
