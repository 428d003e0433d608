"""Tables of aligned faces that anyone might give to `ftlgan embed`."""

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_embed_command import write_table

from ftlgan.errors import DataError
from ftlgan.faces import encode_png
from ftlgan.recognition.command import ALIGN
from ftlgan.recognition.inputs import open_input


def test_a_table_goes_on_in_the_middle_of_a_file(tmp_path: Path, aligned_faces: np.ndarray) -> None:
    write_table(tmp_path / "faces" / "0.parquet", aligned_faces[:4])
    write_table(tmp_path / "faces" / "1.parquet", aligned_faces[4:], face_id=["f4", "f5"])
    table = open_input(tmp_path / "faces", ALIGN)
    for skip in range(7):
        assert [face.names["face_id"] for face in table.faces(skip)] == [f"f{k}" for k in range(skip, 6)]


def test_a_face_of_nobody_known_is_taken(tmp_path: Path, aligned_faces: np.ndarray) -> None:
    table = open_input(write_table(tmp_path / "t.parquet", aligned_faces, identity=[None, *"aabbc"]), ALIGN)
    assert [face.names["identity"] for face in table.faces(0)] == [None, *"aabbc"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [encode_png(np.zeros((28, 28, 3), np.uint8))] * 6}, "f0 has 28x28 px, not 112x112 as aligned faces"),
        ({"image": None}, "has no column image"),
        ({"image": ["text"] * 6}, "image is string, not an encoded image"),
        ({"face_id": None}, "has no column face_id"),
        ({"face_id": ["f0"] * 6}, "has f0 6 times"),
        ({"face_id": [None, *"bcdef"]}, "1 of 6 rows have no face_id"),
    ],
)
def test_a_table_of_something_else_is_refused(
    tmp_path: Path, aligned_faces: np.ndarray, columns: dict, message: str
) -> None:
    path = write_table(tmp_path / "t.parquet", aligned_faces, **columns)
    with pytest.raises(DataError, match=re.escape(message)):
        list(open_input(path, ALIGN).faces(0))


def test_a_column_that_comes_twice_is_named(tmp_path: Path, aligned_faces: np.ndarray) -> None:
    path = write_table(tmp_path / "t.parquet", aligned_faces)
    table = pq.read_table(path)
    pq.write_table(table.append_column("image", table["image"]), path)
    with pytest.raises(DataError, match=r"t\.parquet: has the column image 2 times; give each its own name"):
        open_input(path, ALIGN)


def test_a_damaged_table_is_named(tmp_path: Path, aligned_faces: np.ndarray) -> None:
    path = write_table(tmp_path / "t.parquet", aligned_faces)
    content = bytearray(path.read_bytes())
    content[100:-2000] = b"?" * len(content[100:-2000])
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet: is damaged \(.*\); write it again"):
        list(open_input(path, ALIGN).faces(0))
