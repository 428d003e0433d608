"""The data of a training, and the errors if something is missing."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from small import CONFIG, STILL, changed, losing, patterns, same, still, train

from ftlgan.errors import DataError
from ftlgan.faces import DEGRADED, embeddings_of, embeddings_schema, encode_png, read_faces, write_faces
from ftlgan.params import Training
from ftlgan.training import data as training_data
from ftlgan.training.data import TrainingSet, read_training_set, triplet_index
from ftlgan.training.stored_faces import StoredFaces
from ftlgan.triplets.mining import Space, mine
from ftlgan.triplets.table import read_triplets, write_triplets

MOVING = changed(CONFIG, augmentation=STILL | {"shift": 0.5})
TRIPLET, IDENTITY = losing(MOVING, triplet=1.0), losing(MOVING, triplet=1.0, identity=1.0)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The tables of a project: four people of four faces to train on, two to validate on."""
    faces, references, triplets = patterns()
    assert faces.hr is not None
    splits = np.where(np.arange(24) < 16, "train", "val")
    about = [
        {"face_id": face_id, "identity": identity, "split": split}
        for face_id, identity, split in zip(faces.face_ids, faces.identities, splits, strict=True)
    ]

    def write(name: str, images: np.ndarray) -> None:
        rows = ({**row, "image": encode_png(image), "native": False} for row, image in zip(about, images, strict=True))
        write_faces(tmp_path / name, DEGRADED, rows)

    write("degraded", faces.lr[:])
    write("aligned", faces.hr[:])
    write_faces(
        tmp_path / "targets/sface",
        embeddings_schema(16, "sface", "ab12"),
        ({**row, "embedding": embedding} for row, embedding in zip(about, references.embeddings, strict=True)),
    )
    people = {f"p{i}" for i in range(4)}
    trained = [row["identity"] in people and row["negative_identity"] in people for row in triplets.to_pylist()]
    write_triplets(tmp_path / "targets/_triplets", [triplets.filter(trained)])
    return tmp_path


def read(folder: Path, config: Training = IDENTITY) -> TrainingSet:
    return read_training_set(folder / "degraded", folder / "aligned", folder / "targets", config)


def remove_faces(folder: Path, name: str, faces: Sequence[str]) -> None:
    """Write a table of faces again without some of its faces."""
    table = read_faces(folder / name)
    write_faces(folder / name, table.schema, [row for row in table.to_pylist() if row["face_id"] not in faces])


def test_triplets_point_at_the_people_that_they_name(tables: Path) -> None:
    data = read(tables)
    anchor, positive, negative = data.triplets.T
    who = data.train.identities[anchor]
    assert len(data.train.lr) == 16
    assert len(data.val.lr) == 8
    (references,) = data.references
    assert (references.identities[positive] == who).all()
    assert (references.identities[negative] != who).all()


def test_a_face_of_nobody_known_is_its_own_positive(tables: Path) -> None:
    for name in ("degraded", "targets/sface"):
        table = read_faces(tables / name)
        nobody = [{**row, "identity": None if row["face_id"] == "3" else row["identity"]} for row in table.to_pylist()]
        write_faces(tables / name, table.schema, nobody)
    seen = read_faces(tables / "targets/sface", splits=["train"])
    face_ids, identities = (seen[name].to_numpy() for name in ("face_id", "identity"))
    triplets = mine(Space(face_ids, identities, embeddings_of(seen)), CONFIG.triplets, seed=0)
    write_triplets(tables / "targets/_triplets", triplets)
    data = read(tables)
    anchors = data.triplets[data.train.face_ids[data.triplets[:, 0]] == "3"]
    assert len(anchors)
    assert (anchors[:, 0] == anchors[:, 1]).all()
    assert data.train.identities[3] is None


def test_no_twin_is_read_where_none_is_needed(tables: Path) -> None:
    """The paper's claim: with triplets alone, high-resolution twins need not exist."""
    for path in (tables / "aligned").iterdir():
        path.unlink()
    data = read(tables, still(TRIPLET))
    assert data.train.hr is None
    assert data.real is None


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (still(losing(triplet=1.0, pixel=1.0)), "losses.pixel"),
        (still(losing(triplet=1.0, identity=1.0)), "losses.identity"),
        (still(losing(triplet=1.0, perceptual=1.0)), "losses.perceptual"),
        (TRIPLET, "augmentation.shift"),
        (changed(still(TRIPLET), degradation={"kind": "box", "realistic": 0.5}), "degradation.realistic"),
    ],
)
def test_a_face_without_a_twin_names_the_param_that_needs_it(tables: Path, config: Training, key: str) -> None:
    remove_faces(tables, "aligned", ["3"])
    with pytest.raises(DataError, match=rf"1 of the 16 train faces .* first is 3\), but {key} need twins") as error:
        read(tables, config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("role", ["anchor", "positive", "negative"])
def test_a_triplet_of_a_face_that_is_not_there_is_named(role: str) -> None:
    faces, references, triplets = patterns()
    face_id = triplets[role][0].as_py()
    kept = faces.face_ids != face_id
    if role == "anchor":
        faces = replace(faces, face_ids=faces.face_ids[kept])
    else:
        references = replace(references, face_ids=references.face_ids[kept])
        triplets = triplets.slice(0, 1)
    with pytest.raises(
        DataError,
        match=rf"{role} '{face_id}' is not (among the training faces|in .*/ftlgan/c); run `dvc repro triplets`",
    ):
        triplet_index([triplets], faces, references)


def test_teacher_embeddings_of_other_val_faces_are_refused(tables: Path) -> None:
    remove_faces(tables, "targets/sface", ["23"])
    with pytest.raises(DataError, match="targets/sface: does not have the val faces"):
        read(tables)


def test_teachers_that_have_not_seen_the_same_faces_are_refused(tables: Path) -> None:
    both = losing(IDENTITY, identity=1.0, teachers=["sface", "other"])
    shutil.copytree(tables / "targets/sface", tables / "targets/other")
    assert [references.table.name for references in read(tables, both).references] == ["sface", "other"]
    remove_faces(tables, "targets/other", ["3"])
    with pytest.raises(DataError, match=r"targets/other: does not have the train faces of .*targets/sface"):
        read(tables, both)


@pytest.fixture
def with_native(tables: Path) -> Path:
    """The same tables with a native face of two training people, each the anchor of a triplet."""
    degraded = read_faces(tables / "degraded")
    rows = degraded.to_pylist()
    own = [row | {"face_id": f"small/{row['face_id']}", "native": True} for row in (rows[0], rows[4])]
    write_faces(tables / "degraded", DEGRADED, [*rows, *own])
    triplets = pa.concat_tables(read_triplets(tables / "targets/_triplets"))
    first = {row["identity"]: row for row in triplets.to_pylist()}
    more = [first[row["identity"]] | {"anchor": row["face_id"]} for row in own]
    write_triplets(tables / "targets/_triplets", [triplets, pa.Table.from_pylist(more, triplets.schema)])
    return tables


def test_a_native_face_has_no_twin_and_is_an_anchor(with_native: Path) -> None:
    data = read(with_native)
    assert data.train.native.tolist() == [False] * 16 + [True] * 2
    assert data.train.hr is not None
    assert not data.train.hr[16:].any()
    assert data.train.hr[:16].any(axis=(1, 2, 3)).all()
    assert not data.val.native.any()
    assert data.triplets[-2:, 0].tolist() == [16, 17]
    adversarial = read(with_native, still(losing(triplet=1.0, pixel=1.0, adversarial=1.0)))
    assert adversarial.real is not None
    assert adversarial.real[:].any(axis=(1, 2, 3)).all(), "the discriminator sees no black face"


def test_native_faces_alone_are_the_anchors_where_train_faces_says_so(with_native: Path) -> None:
    paired = read(with_native, changed(TRIPLET, train={"faces": "paired"}))
    assert len(paired.triplets) > 2
    assert (paired.triplets[:, 0] < 16).all()
    config = changed(TRIPLET, train={"faces": "native"})
    for path in (with_native / "aligned").iterdir():
        path.unlink()
    data = read(with_native, config)
    assert data.triplets[:, 0].tolist() == [16, 17]
    assert data.train.hr is None


def test_where_no_face_is_native_a_line_says_so(tables: Path) -> None:
    with pytest.raises(DataError, match=r"_triplets: train.faces is native, but no training person has a small photo"):
        read(tables, changed(TRIPLET, train={"faces": "native"}))


def images_of(data: TrainingSet) -> list[np.ndarray]:
    found = [data.train.lr, data.train.hr, data.real, data.val.lr]
    return [np.empty(0) if images is None else images[np.arange(len(images))] for images in found]


@pytest.mark.parametrize("config", [IDENTITY, TRIPLET, still(TRIPLET), losing(MOVING, triplet=1.0, adversarial=1.0)])
def test_images_that_stay_on_disk_are_those_in_memory(
    with_native: Path, config: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = read(with_native, config)
    monkeypatch.setattr(training_data, "MOST_IN_MEMORY", 0)
    stored = read(with_native, config)
    assert isinstance(stored.train.lr, StoredFaces)
    assert isinstance(inside.train.lr, np.ndarray)
    for one, other in zip(images_of(inside), images_of(stored), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [len(images) for images in images_of(stored)] == [len(images) for images in images_of(inside)]
    assert np.array_equal(inside.triplets, stored.triplets)


@pytest.mark.parametrize("config", [CONFIG, still(CONFIG)])
def test_a_training_from_disk_gives_the_same_weights(
    with_native: Path, config: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = train(read(with_native, config), config)
    monkeypatch.setattr(training_data, "MOST_IN_MEMORY", 0)
    stored = train(read(with_native, config), config)
    assert same(inside.generator, stored.generator)
    for metric in ("total", "val_d_prime"):
        assert inside.values(metric) == stored.values(metric)
