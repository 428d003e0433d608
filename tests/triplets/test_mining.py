"""Mining: every row is a triplet, semi-hard if possible, and the same for the same seed."""

import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ftlgan.errors import DataError
from ftlgan.faces import ALIGNED, embeddings_schema, write_faces
from ftlgan.params import Triplets
from ftlgan.triplets import mining
from ftlgan.triplets.mining import Space, mine, mine_native
from ftlgan.triplets.table import TRIPLETS

CONFIG = Triplets(positives=2, negatives=3, hardest=6, margin=0.5, among=None)
Faces = tuple[np.ndarray, np.ndarray, np.ndarray]


def mined(faces: Faces, config: Triplets = CONFIG, seed: int = 0, block: int | None = None) -> pa.Table:
    return pa.concat_tables(mine(Space(*faces), config, seed, block))


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
    """The same space and 12 unknown faces: 6 of the first six people, 3 of one more person, 3 alike."""
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
    for row in mined(more_faces).to_pylist():
        a, p, n = (place[row[name]] for name in ("anchor", "positive", "negative"))
        assert n not in (a, p)
        assert (a == p) == (identities[a] in (None, "alone")), "its own positive where there is no other"
        assert identities[a] == identities[p] == row["identity"]
        assert identities[n] == row["negative_identity"]
        assert identities[a] != identities[n] or identities[a] is None
        assert row["positive_distance"] == pytest.approx(np.linalg.norm(embeddings[a] - embeddings[p]), abs=1e-5)
        assert row["negative_distance"] == pytest.approx(np.linalg.norm(embeddings[a] - embeddings[n]), abs=1e-5)


def test_negatives_are_those_of_a_naive_search(faces: Faces) -> None:
    """With `negatives` = `hardest` nothing is random: a plain loop finds the nearest semi-hard faces."""
    ids, identities, embeddings = faces
    config = Triplets(positives=1, negatives=4, hardest=4, margin=0.5, among=None)
    table = mined(faces, config).to_pandas()
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
    counts = mined(faces).to_pandas().groupby("anchor").size()
    assert counts.pop("alone/48") == 1 * 3
    assert set(counts) == {2 * 3}
    assert len(counts) == 48


def test_who_has_one_photo_may_still_be_a_negative(faces: Faces) -> None:
    config = Triplets(positives=3, negatives=40, hardest=48, margin=2, among=None)
    assert "alone" in mined(faces, config)["negative_identity"].to_pylist()


def naive(faces: Faces, config: Triplets, seed: int) -> list[tuple[str, str, str]]:
    """The triplets by a plain comparison of each anchor with all others, in float64."""
    identities, embeddings = faces[1:]
    ids = [str(face_id) for face_id in faces[0]]
    exact = embeddings.astype(np.float64)
    distances = np.sqrt(np.maximum(0, 2 - 2 * np.stack([(exact * one).sum(axis=1) for one in exact])))
    np.fill_diagonal(distances, 0)
    known = np.array([identity is not None for identity in identities])
    same = (identities[:, None] == identities) & known
    pairs = distances[np.triu(same, 1)]
    limit = np.percentile(pairs, 95)
    found: list[tuple[str, str, str]] = []
    for a in range(len(ids)):
        rng = np.random.default_rng([seed, a])
        positives = np.array([i for i in np.flatnonzero(same[a]) if i != a] or [a])
        maybe_the_same = ~(known & known[a]) & (distances[a] < limit)
        others = [i for i in range(len(ids)) if i != a and not same[a, i] and not maybe_the_same[i]]
        others = np.array(sorted(others, key=lambda i, a=a: (distances[a, i], i)))
        for p in np.sort(rng.permutation(positives)[: config.positives]):
            farther = [i for i in others if distances[a, i] > distances[a, p]]
            within = [i for i in farther if distances[a, i] < distances[a, p] + config.margin][: config.hardest]
            candidates = within if len(within) >= config.negatives else farther[: config.negatives]
            if len(candidates) < config.negatives:
                candidates = others[-config.negatives :]
            negatives = np.sort(rng.permutation(np.array(candidates))[: config.negatives])
            found += [(ids[a], ids[p], ids[n]) for n in negatives]
    return found


CONFIGS = [
    CONFIG,
    Triplets(positives=3, negatives=4, hardest=20, margin=0.5, among=None),
    Triplets(positives=1, negatives=30, hardest=2, margin=0.05, among=None),
    Triplets(positives=9, negatives=1, hardest=1, margin=2, among=None),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("block", [None, 1, 7])
def test_the_triplets_are_those_of_a_naive_search_however_many_anchors_are_compared_at_once(
    faces: Faces, more_faces: Faces, config: Triplets, block: int | None
) -> None:
    for some in (faces, more_faces):
        table = mined(some, config, 3, block)
        assert [tuple(row) for row in table.select(range(3)).to_pandas().to_numpy()] == naive(some, config, 3)
        assert table.equals(mined(some, config, 3))


def many_faces(count: int = 5000, people: int = 500) -> Faces:
    """Too many faces for one block of the search; a tenth of them is unknown, and some are duplicates."""
    rng = np.random.default_rng(0)
    who = rng.integers(0, people, count)
    vectors = rng.normal(size=(people, 16))[who] + 0.8 * rng.normal(size=(count, 16))
    vectors[-50:] = vectors[:50]
    embeddings = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    identities = np.array([f"p{i:03}" for i in who], dtype=object)
    identities[rng.random(count) < 0.1] = None
    return np.array([f"{i}" for i in range(count)]), identities, embeddings


def test_among_many_faces_the_triplets_are_those_of_a_naive_search_in_groups_and_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faces = many_faces()
    ids, identities, embeddings = (column[np.r_[:50, 4750:5000]] for column in faces)
    few = ids, identities, embeddings
    assert [tuple(row) for row in mined(few).select(range(3)).to_pandas().to_numpy()] == naive(few, CONFIG, 0)
    table = mined(faces)
    monkeypatch.setattr(mining, "ANCHORS_PER_GROUP", 700)
    assert table.equals(mined(faces, block=33))


def test_an_anchor_is_compared_with_so_many_faces_and_another_group_with_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mining, "ANCHORS_PER_GROUP", 1000)
    faces = many_faces()
    config = CONFIG.model_copy(update={"among": 400, "hardest": 400, "margin": 2.0})
    table = mined(faces, config)
    assert table.equals(mined(faces, config, block=3))
    groups = table.to_pandas().groupby(np.asarray(table["anchor"]).astype(int) // 1000)["negative"].agg(set)
    assert len(groups) == 5
    assert all(200 < len(negatives) <= 400 for negatives in groups)
    assert len(set.union(*groups)) > 1200
    assert mined(faces, config, seed=1)["negative"] != table["negative"]
    everybody = config.model_copy(update={"among": len(faces[0])})
    assert mined(faces, everybody).equals(mined(faces, config.model_copy(update={"among": None})))


def test_the_limit_is_taken_from_no_more_than_so_many_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    of_all = Space(*many_faces()).limit
    monkeypatch.setattr(mining, "MOST_PAIRS", 5000)
    of_some = Space(*many_faces()).limit
    assert of_some == pytest.approx(of_all, rel=0.05)
    assert of_some != of_all


def test_who_may_be_the_same_person_is_not_negative(more_faces: Faces) -> None:
    """An unknown face is no negative within the distance of 95% of the pairs of one person."""
    ids, identities, embeddings = more_faces
    genuine = [
        np.linalg.norm(embeddings[i] - embeddings[j])
        for i in range(len(ids))
        for j in range(i)
        if identities[i] == identities[j] and identities[i] is not None
    ]
    limit = np.percentile(genuine, 95)

    def pairs_of_maybe_one(identities: np.ndarray) -> int:
        table = mined((ids, identities, embeddings)).to_pandas()
        unknown = table["anchor"].str.startswith("unlabelled/") | table["negative"].str.startswith("unlabelled/")
        assert unknown.any()
        return int((unknown & (table["negative_distance"] < limit)).sum())

    everybody_known = np.where(identities == None, ids, identities)  # noqa: E711 - of each element
    assert pairs_of_maybe_one(everybody_known) > 50
    assert pairs_of_maybe_one(identities) == 0


def test_the_seed_decides(faces: Faces) -> None:
    assert mined(faces).equals(mined(faces))
    assert not mined(faces).equals(mined(faces, seed=1))


@pytest.mark.parametrize("identities", [["a", "a"], ["a", "b"], ["a", None], [None, None]])
def test_people_without_a_triplet_are_one_line(identities: list[str]) -> None:
    with pytest.raises(DataError, match=r"2 training faces of \d known people give no triplet"):
        mined((np.array(["1", "2"]), np.array(identities), np.eye(2, dtype=np.float32)))


def test_a_native_face_is_an_anchor_of_photos_of_its_person_and_of_others_near_their_mean(more_faces: Faces) -> None:
    ids, identities, embeddings = more_faces
    native = np.array(["small/a", "small/b", "small/c"]), np.array(["p3", "p0", "alone"])
    table = pa.concat_tables(mine_native(*native, Space(*more_faces), CONFIG, seed=0))
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
    assert not list(mine_native(np.array([]), np.array([]), Space(*more_faces), CONFIG, seed=0))


def test_people_of_whom_there_is_no_triplet_are_one_line_of_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parents[2]
    shutil.copy(root / "params.yaml", tmp_path)
    rows = [
        {"face_id": f"{who}/0", "identity": who, "split": "train", "embedding": row.tolist()}
        for who, row in zip("abcd", np.eye(4), strict=True)
    ]
    write_faces(tmp_path / "data/teacher/sface", embeddings_schema(4, "sface", "0"), rows)
    write_faces(tmp_path / "data/small", ALIGNED, [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["triplets.py", "sface"])
    with pytest.raises(SystemExit, match="4 training faces of 4 known people give no triplet"):
        runpy.run_path(str(root / "stages/triplets.py"), run_name="__main__")
