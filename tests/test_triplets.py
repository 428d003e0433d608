"""Mining: every row is a triplet, semi-hard where it can be, and the same for the same seed."""

import hashlib
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ftlgan.errors import DataError
from ftlgan.faces import ALIGNED, embeddings_schema, write_faces, write_table
from ftlgan.params import Triplets
from ftlgan.triplets import TRIPLETS, mine, mine_native, read_triplets, semi_hard

CONFIG = Triplets(positives=2, negatives=3, hardest=6, margin=0.5)
Faces = tuple[np.ndarray, np.ndarray, np.ndarray]


BEFORE = "75684cc4fdbae9709fe0eff9811cc8d2f6edb3866731f7f53ac9cffda7425d6c"
"""SHA-256 of the triplets of `faces` from when only people with two faces or more were anchors."""


@pytest.fixture
def faces() -> Faces:
    """12 people with 4 faces each, somewhat alike, in 8 dimensions; one more with a single face."""
    rng = np.random.default_rng(0)
    identities = np.array([f"p{i // 4}" for i in range(48)] + ["alone"])
    people, who = np.unique(identities, return_inverse=True)
    vectors = rng.normal(size=(len(people), 8))[who] + 0.7 * rng.normal(size=(49, 8))
    embeddings = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return np.array([f"{identity}/{i}" for i, identity in enumerate(identities)]), identities, embeddings


@pytest.fixture
def more_faces(faces: Faces) -> Faces:
    """The same, and 12 faces of whom nobody knows who it is: 6 are of the first six people, 3 of one more, 3 alike."""
    ids, identities, embeddings = faces
    rng = np.random.default_rng(1)
    own = rng.normal(size=(4, 8)) / np.sqrt(8)
    vectors = np.concatenate([embeddings[:24:4], own[[0, 1, 2, 3, 3, 3]]]) + 0.1 * rng.normal(size=(12, 8))
    more = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = np.array([f"unlabelled/{i}" for i in range(12)])
    nobody = np.full(12, None, dtype=object)
    return np.append(ids, names), np.append(identities.astype(object), nobody), np.append(embeddings, more, axis=0)


def test_every_row_is_a_triplet_with_its_true_distances(more_faces: Faces) -> None:
    ids, identities, embeddings = more_faces
    place = {face_id: i for i, face_id in enumerate(ids)}
    for row in mine(*more_faces, CONFIG, seed=0).to_pylist():
        a, p, n = (place[row[name]] for name in ("anchor", "positive", "negative"))
        assert n not in (a, p)
        assert (a == p) == (identities[a] in (None, "alone")), "its own positive where there is no other"
        assert identities[a] == identities[p] == row["identity"]
        assert identities[n] == row["negative_identity"]
        assert identities[a] != identities[n] or identities[a] is None
        assert row["positive_distance"] == pytest.approx(np.linalg.norm(embeddings[a] - embeddings[p]), abs=1e-5)
        assert row["negative_distance"] == pytest.approx(np.linalg.norm(embeddings[a] - embeddings[n]), abs=1e-5)


def test_negatives_are_those_of_a_naive_search(faces: Faces) -> None:
    """With `negatives` = `hardest`, nothing is left to chance: the nearest semi-hard ones, in a plain loop."""
    ids, identities, embeddings = faces
    config = Triplets(positives=1, negatives=4, hardest=4, margin=0.5)
    table = mine(*faces, config, seed=0).to_pandas()
    place = {face_id: i for i, face_id in enumerate(ids)}
    for (anchor, positive), group in table.groupby(["anchor", "positive"]):
        a, p = place[anchor], place[positive]
        limit = np.linalg.norm(embeddings[a] - embeddings[p])
        others = [
            (np.linalg.norm(embeddings[a] - embeddings[n]), ids[n]) for n in range(49) if identities[n] != identities[a]
        ]
        band = [name for distance, name in sorted(others) if limit < distance < limit + 0.5]
        if len(band) >= 4:
            assert set(group["negative"]) == set(band[:4])


def test_each_anchor_has_as_many_triplets_as_asked(faces: Faces) -> None:
    counts = mine(*faces, CONFIG, seed=0).to_pandas().groupby("anchor").size()
    assert counts.pop("alone/48") == 1 * 3
    assert set(counts) == {2 * 3}
    assert len(counts) == 48


def test_who_has_one_photo_may_still_be_a_negative(faces: Faces) -> None:
    config = Triplets(positives=3, negatives=40, hardest=48, margin=2)
    assert "alone" in mine(*faces, config, seed=0)["negative_identity"].to_pylist()


def test_people_with_two_photos_have_the_triplets_that_they_had_before_the_others_were_anchors(faces: Faces) -> None:
    rows = [row for row in mine(*faces, CONFIG, seed=0).to_pylist() if row["identity"] != "alone"]
    triplets = [(row["anchor"], row["positive"], row["negative"]) for row in rows]
    assert hashlib.sha256(repr(triplets).encode()).hexdigest() == BEFORE


def test_who_may_be_the_same_person_is_not_negative(more_faces: Faces) -> None:
    """Whoever nobody knows: not where 95 of 100 pairs of one person are nearer to each other than that."""
    ids, identities, embeddings = more_faces
    genuine = [
        np.linalg.norm(embeddings[i] - embeddings[j])
        for i in range(len(ids))
        for j in range(i)
        if identities[i] == identities[j] and identities[i] is not None
    ]
    limit = np.percentile(genuine, 95)

    def pairs_of_maybe_one(identities: np.ndarray) -> int:
        table = mine(ids, identities, embeddings, CONFIG, seed=0).to_pandas()
        unknown = table["anchor"].str.startswith("unlabelled/") | table["negative"].str.startswith("unlabelled/")
        assert unknown.any()
        return int((unknown & (table["negative_distance"] < limit)).sum())

    everybody_known = np.where(identities == None, ids, identities)  # noqa: E711 - of each element
    assert pairs_of_maybe_one(everybody_known) > 50
    assert pairs_of_maybe_one(identities) == 0


def test_the_seed_decides(faces: Faces) -> None:
    assert mine(*faces, CONFIG, seed=0).equals(mine(*faces, CONFIG, seed=0))
    assert not mine(*faces, CONFIG, seed=0).equals(mine(*faces, CONFIG, seed=1))


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        (0.25, [0.3, 0.5, 0.7]),  # the nearest three of the five in the band
        (0.75, [0.9, 1.1]),  # the two farther ones, both in the band, are all that is asked for
        (1.0, [0.9, 1.1]),  # one farther one: the next nearer fills up
        (1.9, [0.9, 1.1]),  # nobody is farther: the farthest
    ],
)
def test_candidates_are_semi_hard_and_filled_up(positive: float, expected: list[float]) -> None:
    distances = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 1.1])
    config = Triplets(positives=1, negatives=2, hardest=3, margin=0.7)
    assert distances[semi_hard(distances, positive, config)].tolist() == expected


def test_beyond_the_margin_the_nearest_fill_up() -> None:
    distances = np.array([1.5, 1.6, 1.7])
    assert distances[semi_hard(distances, 0.2, Triplets(positives=1, negatives=2, hardest=3, margin=0.1))].tolist() == [
        1.5,
        1.6,
    ]


@pytest.mark.parametrize("identities", [["a", "a"], ["a", "b"], ["a", None], [None, None]])
def test_people_without_a_triplet_are_one_line(identities: list[str]) -> None:
    with pytest.raises(DataError, match=r"2 training faces of \d known people hold no triplet"):
        mine(np.array(["1", "2"]), np.array(identities), np.eye(2, dtype=np.float32), CONFIG, 0)


def test_a_table_is_read_as_it_was_written(more_faces: Faces, tmp_path: Path) -> None:
    table = mine(*more_faces, CONFIG, seed=0)
    write_table(tmp_path / "t.parquet", table)
    assert read_triplets(tmp_path / "t.parquet").equals(table)


def test_a_table_of_another_schema_is_one_line(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", pa.table({"anchor": ["a"]}))
    with pytest.raises(DataError, match=r"t\.parquet: its columns are anchor"):
        read_triplets(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", "b", "c", "p", "p", 0.1, 0.2), "row 0"),
        (("a", "b", "a", "p", "q", 0.1, 0.2), "row 0"),
        (("a", "b", "b", None, None, 0.1, 0.2), "row 0"),
    ],
)
def test_a_row_that_is_no_triplet_is_named(tmp_path: Path, row: tuple[object, ...], said: str) -> None:
    write_table(tmp_path / "t.parquet", pa.table([[value] for value in row], schema=TRIPLETS))
    with pytest.raises(DataError, match=f"{said} .* is no triplet"):
        read_triplets(tmp_path / "t.parquet")


def test_an_empty_table_is_one_line(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", TRIPLETS.empty_table())
    with pytest.raises(DataError, match="holds no triplets"):
        read_triplets(tmp_path / "t.parquet")


def test_a_native_face_is_an_anchor_of_photos_of_its_person_and_of_others_near_their_mean(more_faces: Faces) -> None:
    ids, identities, embeddings = more_faces
    native = np.array(["small/a", "small/b", "small/c"]), np.array(["p3", "p0", "alone"])
    table = mine_native(native, *more_faces, CONFIG, seed=0)
    assert table.schema == TRIPLETS
    place = {face_id: i for i, face_id in enumerate(ids)}
    rows = table.to_pylist()
    count = CONFIG.negatives
    assert [row["anchor"] for row in rows] == ["small/a"] * 2 * count + ["small/b"] * 2 * count + ["small/c"] * count
    for row in rows:
        p, n = place[row["positive"]], place[row["negative"]]
        assert identities[p] == row["identity"] == dict(zip(*native, strict=True))[row["anchor"]]
        assert identities[n] == row["negative_identity"] != row["identity"]
        mean = embeddings[identities == row["identity"]].mean(axis=0)
        mean /= np.linalg.norm(mean)
        assert row["positive_distance"] == pytest.approx(np.linalg.norm(mean - embeddings[p]), abs=1e-4)
        assert row["negative_distance"] == pytest.approx(np.linalg.norm(mean - embeddings[n]), abs=1e-4)
    assert mine_native((np.array([]), np.array([])), *more_faces, CONFIG, seed=0).num_rows == 0


def test_people_of_whom_there_is_no_triplet_are_one_line_of_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parents[1]
    shutil.copy(root / "params.yaml", tmp_path)
    rows = [
        {"face_id": f"{who}/0", "identity": who, "split": "train", "embedding": row.tolist()}
        for who, row in zip("abcd", np.eye(4), strict=True)
    ]
    write_faces(tmp_path / "data/teacher/sface", embeddings_schema(4, "sface", "0"), rows)
    write_faces(tmp_path / "data/small", ALIGNED, [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["triplets.py", "sface"])
    with pytest.raises(SystemExit, match="4 training faces of 4 known people hold no triplet"):
        runpy.run_path(str(root / "stages/triplets.py"), run_name="__main__")
