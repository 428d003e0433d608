"""The conditions of the test faces."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftlgan.alignment import Aligner
from ftlgan.conditions import Conditions
from ftlgan.degradation import degrade, shrink_by_held_out_chain, stream_of
from ftlgan.errors import DataError
from ftlgan.faces import ALIGNED, FACES, decode_face, encode_png, write_faces
from ftlgan.params import Condition


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, photo: bytes) -> Path:
    """A test person whose photo is `photo`, one whose photo shows no face, one who trains and one who validates."""
    folder = tmp_path_factory.mktemp("tables")
    face, nothing = Aligner(0.7, 30)(photo), io.BytesIO()
    Image.new("RGB", (250, 250), "grey").save(nothing, "png")
    who = {"a/0": ("train", photo), "b/0": ("test", photo), "c/0": ("test", nothing.getvalue())}
    who["d/0"] = ("val", nothing.getvalue())
    rows = [
        {"face_id": name, "identity": name[0], "split": split, "image": image} for name, (split, image) in who.items()
    ]
    write_faces(folder / "raw", FACES, rows)
    aligned = {"image": encode_png(face.image), "landmarks": face.landmarks.ravel().tolist(), "detection_score": 0.9}
    write_faces(folder / "aligned", ALIGNED, [{**row, **aligned} for row in rows])
    return folder


def small_faces(tables: Path, condition: Condition, res: int = 14, seed: int = 0) -> Mapping[str, np.ndarray]:
    rows = Conditions(res, seed, 0.7, tables / "aligned", tables / "raw", tables / "small").small_faces(condition)
    return {row["face_id"]: decode_face(row["image"]) for row in rows}


@pytest.fixture
def face(photo: bytes) -> np.ndarray:
    return Aligner(0.7, 30)(photo).image


def test_a_degradation_is_of_the_aligned_test_faces(tables: Path, face: np.ndarray) -> None:
    found = small_faces(tables, "box")
    assert list(found) == ["b/0", "c/0"]
    assert np.array_equal(found["b/0"], degrade(face, 14, "box"))


def test_what_is_drawn_depends_on_the_seed_and_the_face_alone(tables: Path, face: np.ndarray) -> None:
    chains: list[tuple[Condition, Callable[[np.random.Generator], np.ndarray]]] = [
        ("realistic", lambda rng: degrade(face, 14, "realistic", rng)),
        ("held-out", lambda rng: shrink_by_held_out_chain(face, 14 / 112, rng)),
    ]
    for condition, naive in chains:
        found = small_faces(tables, condition)
        assert np.array_equal(found["b/0"], naive(stream_of(0, "b/0")))
        assert not np.array_equal(found["b/0"], found["c/0"])
        assert not np.array_equal(found["b/0"], small_faces(tables, condition, seed=1)["b/0"])


@pytest.mark.parametrize(("res", "least"), [(14, 0.6), (28, 0.8)])
def test_a_detected_face_is_found_in_the_small_photo_and_lies_nearly_where_the_true_one_does(
    tables: Path, face: np.ndarray, res: int, least: float
) -> None:
    """The landmarks err by 5 percent of the face at 14 px, by 3 at 28 px (medians, LFW)."""
    found = small_faces(tables, "detected", res)
    assert list(found) == ["b/0"], "where there is no face, none is found"
    small, true = (image.astype(float).mean(axis=2) for image in (found["b/0"], degrade(face, res)))
    assert small.shape == (res, res)
    assert np.corrcoef(small.ravel(), true.ravel())[0, 1] > least
    assert not np.array_equal(small, true)


def test_validation_people_go_through_the_same_and_may_be_left_without_a_face(
    tables: Path, face: np.ndarray, tmp_path: Path
) -> None:
    write_faces(tmp_path, ALIGNED, [])
    made = Conditions(14, 0, 0.7, tables / "aligned", tables / "raw", tmp_path)
    (row,) = made.small_faces("held-out", "val")
    assert (row["face_id"], row["split"]) == ("d/0", "val")
    naive = shrink_by_held_out_chain(face, 14 / 112, stream_of(0, "d/0"))
    assert np.array_equal(decode_face(row["image"]), naive)
    assert list(made.small_faces("detected", "val")) == list(made.small_faces("native", "val")) == []


def test_where_no_face_is_found_at_all_a_line_says_so(tables: Path, tmp_path: Path) -> None:
    conditions = Conditions(14, 0, 0.7, tables / "aligned", tmp_path / "raw", tables / "small")
    write_faces(tmp_path / "raw", FACES, [])
    with pytest.raises(DataError, match=r"test.conditions: detected: .* finds none of 2 test faces .* of 14 px"):
        list(conditions.small_faces("detected"))


def test_native_without_a_face_of_the_test_people_is_refused(tables: Path, tmp_path: Path) -> None:
    write_faces(tmp_path, ALIGNED, [])
    made = Conditions(14, 0, 0.7, tables / "aligned", tables / "raw", tmp_path)
    with pytest.raises(DataError, match=r"native: dataset.small has no usable photo of any test person"):
        list(made.small_faces("native"))
