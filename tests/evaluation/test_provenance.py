"""What metrics rest on: photos that are checked, and a file that says all of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ftlgan.errors import DataError
from ftlgan.evaluation.judging import read_embedded
from ftlgan.evaluation.provenance import Photos, check_photos, origin
from ftlgan.faces import FACES, embeddings_schema, encode_png, write_faces
from ftlgan.params import WeightsFile, load_params


def write(folder: Path, faces: list[tuple[str, str, int]], size: int = 4) -> Path:
    """A face table of (face_id, split, grey), whose people are named before the slash of the face_id, if at all."""
    rows = [
        {
            "face_id": name,
            "identity": name.split("/")[0] or None,
            "split": split,
            "image": grey_face(grey, size),
        }
        for name, split, grey in faces
    ]
    write_faces(folder, FACES, rows)
    return folder


def check(aligned: Path, native: Sequence[tuple[str, str, int]] = ()) -> Photos:
    return check_photos(aligned, write(aligned / "small", list(native)))


def grey_face(grey: int, size: int) -> bytes:
    return encode_png(np.full((size, size, 3), grey, np.uint8))


def test_photos_are_counted_by_split_and_have_a_digest_that_any_change_changes(tmp_path: Path) -> None:
    faces = [("a/0", "train", 1), ("a/1", "train", 2), ("b/0", "val", 3), ("c/0", "test", 4), ("d/0", "test", 5)]
    photos = check(write(tmp_path / "faces", faces))
    assert photos.people == {"train": 1, "val": 1, "test": 2}
    assert photos.photos == {"train": 2, "val": 1, "test": 2}
    assert photos.copies == frozenset()
    digests = {photos.sha256}
    for changed in (("d/0", "test", 6), ("d/1", "test", 5), ("e/0", "test", 5), ("d/0", "val", 5)):
        digests.add(check(write(tmp_path / "changed", [*faces[:-1], changed])).sha256)
    assert len(digests) == 5
    assert check(write(tmp_path / "same", faces)).sha256 == photos.sha256


def test_a_person_in_two_splits_is_refused(tmp_path: Path) -> None:
    faces = write(tmp_path, [("a/0", "train", 1), ("b/0", "test", 2), ("a/1", "test", 3)])
    with pytest.raises(DataError, match="a is in train and in test"):
        check(faces)


def test_photos_of_nobody_known_and_people_with_one_photo_are_counted(tmp_path: Path) -> None:
    known = [("a/0", "train", 1), ("a/1", "train", 2), ("b/0", "train", 3), ("c/0", "test", 4), ("d/0", "test", 4)]
    photos = check(write(tmp_path, [*known, ("/0", "train", 5), ("/1", "train", 6)]))
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    split = origin(params, photos, {}, {}, {}, 3, [], {})["split"]
    assert split["train"] == {
        "people": 2,
        "photos": 5,
        "single_photo_people": 1,
        "unlabelled_photos": 2,
        "native_photos": 3,
    }
    assert split["test"] == {"people": 2, "photos": 2}
    assert photos.copies == {"d/0"}
    assert photos.sha256 != check(write(tmp_path, [*known, ("e/0", "train", 5), ("/1", "train", 6)])).sha256


def test_copies_under_another_name_another_person_or_in_the_training_are_left_out(tmp_path: Path) -> None:
    faces = [
        *(("c/0", "test", 1), ("c/1", "test", 1), ("c/2", "test", 2)),
        *(("d/0", "test", 2), ("d/1", "test", 3), ("d/2", "test", 4)),
        *(("e/0", "train", 4), ("e/1", "train", 4)),
    ]
    copies = check(write(tmp_path / "faces", faces)).copies
    assert copies == {"c/1", "d/0", "d/2"}, "the first of the test stays, unless somebody trained on it"

    native = [
        *(("c/small/0", "test", 5), ("c/small/1", "test", 5), ("c/small/2", "test", 6), ("c/small/3", "test", 2)),
        *(("d/small/0", "test", 7), ("f/small/0", "test", 8), ("e/small/0", "train", 6)),
    ]
    photos = check(write(tmp_path / "with native", [*faces, ("f/0", "test", 4)]), native)
    assert photos.copies == {*copies, "f/0", "c/small/1", "c/small/2", "c/small/3"}
    assert photos.without_reference == {"f/small/0"}, "nothing is left of f to compare it with"
    assert photos.photos == {"train": 2, "val": 0, "test": 7}, "native faces are not counted"

    row = {"embedding": [1.0, 0.0]}
    rows = [{"face_id": f, "identity": f[0], "split": split, **row} for f, split, _ in faces]
    write_faces(tmp_path / "gallery", embeddings_schema(2, "judge", "0"), rows)
    assert read_embedded(tmp_path / "gallery", copies).faces.face_ids.tolist() == ["c/0", "c/2", "d/1"]


@pytest.mark.parametrize("aligned", [False, True])
def test_where_a_crop_comes_from_is_said(tmp_path: Path, aligned: bool) -> None:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    params = params.model_copy(update={"align": params.align.model_copy(update={"aligned": aligned})})
    photos = check(write(tmp_path, [("a/0", "test", 1)]))
    crop = origin(params, photos, {}, {}, {}, 3, [], {})["crop"]
    assert ("detector" in crop) != aligned
    assert ("aligned" in crop) == aligned
    assert crop["small_aligned"] is False


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (None, None),
        ("packaged", "packaged"),
        (WeightsFile(file="somewhere/of/mine.safetensors", sha256="0" * 64), {"sha256": "0" * 64}),
    ],
)
def test_the_weights_that_a_training_started_from_are_said_without_their_path(
    tmp_path: Path, start: WeightsFile | str | None, said: object
) -> None:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    params = params.model_copy(update={"train": params.train.model_copy(update={"start": start})})
    photos = check(write(tmp_path, [("a/0", "test", 1)]))
    assert origin(params, photos, {}, {}, {}, 3, [], {})["start"] == said
