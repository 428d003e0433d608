"""Protocols that list their pairs, and accuracy over folds."""

from pathlib import Path

import numpy as np
import pytest
from people import photos

from ftlgan.errors import DataError
from ftlgan.verification.listed_scores import fold_acceptance, fold_accuracy, score_list
from ftlgan.verification.pair_list import PhotoNames, listed_people, read_pairs, write_pairs
from ftlgan.verification.pairs import Faces


def album(*, as_lfw: bool = False) -> Faces:
    """Three photos of each of four people: A/1.jpg, ..., or as Labeled Faces in the Wild names them."""
    embeddings, _, _ = photos(4, 3, noise=1)
    people = np.repeat([*"ABCD"], 3)
    form = "{0}/{0}_{1:04}.jpg" if as_lfw else "{0}/{1}.jpg"
    return Faces(np.array([form.format(who, k % 3 + 1) for k, who in enumerate(people)]), people, embeddings)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_pairs_of_a_csv_are_scored_and_no_others(tmp_path: Path) -> None:
    faces = album()
    path = write(tmp_path / "pairs.csv", "probe,reference\nA/1.jpg,A/2.jpg\nA/3.jpg,C/1.jpg\nD/1.jpg,B/2.jpg\n")
    listed = score_list(path, faces, faces)
    expected = [faces.embeddings[i] @ faces.embeddings[j] for i, j in ((0, 1), (2, 6), (9, 4))]
    assert listed.scores == pytest.approx(expected, abs=1e-6)
    assert listed.genuine.tolist() == [True, False, False]
    assert listed.folds is None
    assert listed.comparison.people == ("A", "B", "C", "D")
    assert listed.comparison.impostor_persons.tolist() == [[0, 3], [2, 1]]


def test_the_pairs_txt_of_lfw_has_folds_and_names_photos_by_number(tmp_path: Path) -> None:
    faces = album(as_lfw=True)
    path = write(tmp_path / "pairs.txt", "2\t1\nA\t1\t2\nA\t1\tB\t3\nC\t2\t3\nD\t1\tA\t2\n")
    listed = score_list(path, faces, faces)
    expected = [faces.embeddings[i] @ faces.embeddings[j] for i, j in ((0, 1), (0, 5), (7, 8), (9, 1))]
    assert listed.scores == pytest.approx(expected, abs=1e-6)
    assert listed.genuine.tolist() == [True, False, True, False]
    assert listed.folds is not None
    assert listed.folds.tolist() == [0, 0, 1, 1]
    assert score_list(write(path, "1\nA\t1\t2\nA\t1\tB\t3\n"), faces, faces).folds is None


def test_a_copy_to_the_byte_is_left_out_and_counted(tmp_path: Path) -> None:
    faces = album()
    faces.embeddings[1] = faces.embeddings[0]
    path = write(tmp_path / "pairs.csv", "probe,reference\nA/1.jpg,A/2.jpg\nA/1.jpg,A/3.jpg\nA/1.jpg,B/1.jpg\n")
    listed = score_list(path, faces, faces)
    assert (listed.copies, len(listed.scores)) == (1, 2)


def nobody() -> Faces:
    """The album, without who is on the photos."""
    faces = album()
    return Faces(faces.face_ids, np.zeros(len(faces.face_ids), np.str_), faces.embeddings)


def test_where_nobody_is_known_the_list_says_which_pairs_are_genuine(tmp_path: Path) -> None:
    faces, text = nobody(), "A/1.jpg,A/2.jpg,1,x\nA/3.jpg,C/1.jpg,0,x\nD/1.jpg,B/2.jpg,0,y\nD/1.jpg,D/2.jpg,1,y\n"
    path = write(tmp_path / "pairs.csv", "probe,reference,genuine,fold\n" + text)
    listed, known = score_list(path, faces, faces), score_list(path, album(), album())
    assert listed.genuine.tolist() == known.genuine.tolist() == [True, False, False, True]
    np.testing.assert_array_equal(listed.comparison.genuine, known.comparison.genuine)
    np.testing.assert_array_equal(listed.comparison.impostor, known.comparison.impostor)
    assert listed.folds is not None
    assert listed.folds.tolist() == [0, 0, 1, 1]
    assert listed.comparison.people == ()


def test_where_nobody_is_known_copies_are_left_out_with_their_label(tmp_path: Path) -> None:
    faces = nobody()
    faces.embeddings[1] = faces.embeddings[0]
    text = "probe,reference,genuine\nA/1.jpg,A/2.jpg,1\nA/1.jpg,B/1.jpg,0\nA/1.jpg,A/3.jpg,1\n"
    listed = score_list(write(tmp_path / "pairs.csv", text), faces, faces)
    assert (listed.copies, listed.genuine.tolist()) == (1, [False, True])


def test_where_nobody_is_known_a_list_without_labels_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.csv", "probe,reference\nA/1.jpg,A/2.jpg\n")
    with pytest.raises(DataError, match=r"line 2: is this pair genuine.* add a column genuine"):
        score_list(path, nobody(), nobody())


def test_pairs_that_are_listed_again_are_scored_again_and_counted(tmp_path: Path) -> None:
    lines = ["A/1.jpg,A/2.jpg", "A/1.jpg,B/1.jpg", "B/1,A/1", "A/1.jpg,A/2.jpg", "A/2.jpg,A/3.jpg"]
    path = write(tmp_path / "pairs.csv", "\n".join(["probe,reference", *lines]) + "\n")
    listed = score_list(path, album(), album())
    assert (listed.repeated, len(listed.scores)) == (2, 5)
    assert score_list(write(path, "\n".join(["probe,reference", *lines[:2]])), album(), album()).repeated == 0


@pytest.mark.parametrize(("name", "said"), [(".", "is a folder"), ("nope.csv", "there is no such file")])
def test_a_list_that_is_no_file_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"{said}; give a list of pairs: LFW's pairs.txt, or a CSV with"):
        read_pairs(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pairs: lists no pairs|pairs: has no column probe"),
        ("probe,reference\n", "pairs: lists no pairs"),
        ("a,b\n1,2\n", r"pairs: has no column probe, only a, b; give a pairs.txt, or a CSV"),
        (
            "probe,reference\nA/1.jpg,E/1.jpg\n",
            r"pairs: line 2: 'E/1.jpg' is not among the photos \(such as 'A/1.jpg'\)",
        ),
        ("probe,reference\nA/1.jpg,A/1.jpg\n", "pairs: line 2: compares A/1.jpg with itself"),
        ("1 1\nA 1 2\n", "pairs: has 1 pairs, but its first line promises 1 x 2 x 1"),
        ("1 1\nA 1 2\nA one B 2\n", "pairs: line 3: 'A one B 2' is not a pair; give NAME 1 2 or NAME 1 NAME 2"),
        ("1 1\nA 1 2\nA 1 B 9\n", "pairs: line 3: 'B/0009' is not among the photos"),
    ],
)
def test_a_list_that_will_not_do_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        score_list(write(tmp_path / "pairs", text), album(), album())
    assert "\n" not in str(error.value)


def test_a_fold_is_judged_by_the_threshold_of_the_others() -> None:
    generator = np.random.default_rng(0)
    genuine = np.tile([True, False], 50)
    scores, folds = generator.normal(size=100) + genuine, np.repeat(np.arange(5), 20)
    accuracies = []
    for fold in range(5):
        other = folds != fold
        levels = np.sort(scores[other])
        thresholds = [-np.inf, *(levels[1:] + levels[:-1]) / 2, np.inf]
        best = max(thresholds, key=lambda t: np.mean((scores[other] >= t) == genuine[other]))
        accuracies.append(np.mean((scores[~other] >= best) == genuine[~other]))
    found = fold_accuracy(scores, genuine, folds)
    assert found
    assert found.folds == 5
    assert found.mean == pytest.approx(np.mean(accuracies))
    assert found.standard_error == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(5))


@pytest.mark.parametrize("far", [0.0, 0.01, 0.1])
def test_the_rate_of_each_fold_is_at_the_threshold_of_the_others(far: float) -> None:
    rng = np.random.default_rng(0)
    genuine, folds = rng.random(400) < 0.5, np.repeat(np.arange(4), 100)
    scores = (rng.normal(size=400) + 2 * genuine).round(1)  # with ties
    rates: list[float] = []
    for fold in range(4):
        others = scores[(folds != fold) & ~genuine]
        threshold = min(t for t in scores[folds != fold] if np.mean(others > t) <= far)
        threshold = min(t for t in [*others, threshold] if np.mean(others > t) <= far)
        rates.append(float(np.mean(scores[(folds == fold) & genuine] > threshold)))
    found = fold_acceptance(scores, genuine, folds, far)
    assert found is not None
    assert (found.folds, found.mean) == (4, pytest.approx(np.mean(rates)))
    assert found.standard_error == pytest.approx(np.std(rates, ddof=1) / 2)


def test_one_fold_or_folds_without_impostors_give_no_rate() -> None:
    scores, genuine = np.array([0.9, 0.1, 0.8, 0.2]), np.array([True, False, True, False])
    assert fold_acceptance(scores, genuine, np.zeros(4, np.int64), 0.1) is None
    assert fold_acceptance(scores, np.ones(4, np.bool_), np.array([0, 0, 1, 1]), 0.1) is None


def test_where_the_other_folds_have_pairs_of_one_kind_no_threshold_is_chosen_on_them() -> None:
    scores, genuine, folds = np.array([0.9, 0.1, 0.8]), np.array([True, False, True]), np.array([0, 1, 0])
    assert fold_accuracy(scores, genuine, folds) is None


def test_a_list_names_photos_and_people(tmp_path: Path) -> None:
    pairs = read_pairs(write(tmp_path / "pairs.txt", "1\nA\t1\t2\nA\t1\tB\t3\n"))
    names = ["A/A_0001.jpg", "A/A_0003.jpg", "B/B_0003.jpg", "C/A/A_0002.jpg"]
    photos = PhotoNames(names)
    assert [photos.row(tmp_path, 1, name) for name in ("A/0001", "B/0003", "C/A/A_0002.jpg")] == [0, 2, 3]
    assert photos.row(tmp_path, 1, "A/0002") is None, "a folder of C that is called A is not A"
    assert [photos.row(tmp_path, 1, name) for name in ("A/1", "A/A_1", "A/A_0003", "B/03")] == [0, 0, 1, 2]
    assert [photos.row(tmp_path, 1, name) for name in ("A/1.jpg", "A/0", "./A", "", "A/B_1", "B/1")] == [None] * 6
    assert listed_people(pairs) == {"A", "B"}
    with pytest.raises(DataError, match=r"pairs.txt: line 3: 'B/0003' may be B/B_0003.jpg, B/B_0003.png; keep one"):
        PhotoNames([*names, "B/B_0003.png"]).row(tmp_path / "pairs.txt", 3, "B/0003")


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("2\t1\nA\t1\t2\nA\t1\tB\t3\nC\t2\t3\nD\t1\tA\t2\n", "probe,reference,genuine,fold"),
        ("probe,reference\nA/1.jpg,A/2.jpg\nA/3.jpg,C/1.jpg\n", "probe,reference,genuine"),
    ],
)
def test_a_list_that_was_written_gives_the_same_scores(tmp_path: Path, text: str, header: str) -> None:
    path = write(tmp_path / "pairs", text)
    write_pairs(tmp_path / "again.csv", read_pairs(path))
    assert (tmp_path / "again.csv").read_text().splitlines()[0] == header
    one, other = (score_list(file, album(), album()) for file in (path, tmp_path / "again.csv"))
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.genuine, other.genuine)
    np.testing.assert_array_equal(one.folds, other.folds)
