"""Faces on disk: each is found in its file, for any layout of the Parquet file and in any order."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ftlgan import faces
from ftlgan.errors import DataError
from ftlgan.faces import FACES, encode_png, write_faces
from ftlgan.training.stored_faces import find_faces

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 28, 28, 3), np.uint8)


def rows(images: np.ndarray = IMAGES) -> list[dict[str, Any]]:
    """Rows of a table, every third to validate on."""
    return [
        {"face_id": f"{i}", "identity": f"p{i // 6}", "split": "train" if i % 3 else "val", "image": encode_png(image)}
        for i, image in enumerate(images)
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of three shards."""
    monkeypatch.setattr(faces, "FACES_PER_SHARD", 128)
    write_faces(tmp_path, FACES, rows())
    assert len(list(tmp_path.iterdir())) == 3
    return tmp_path


def test_every_face_is_found_in_any_order(folder: Path) -> None:
    table, stored = find_faces(folder, "train")
    ids = table["face_id"].to_numpy().astype(int)
    assert table.schema.names == ["face_id", "identity", "split"]
    assert ids.tolist() == [i for i in range(300) if i % 3]
    assert stored.shape == (200, 28, 28, 3)
    for order in (np.random.default_rng(1).permutation(200), np.array([5, 5, 0]), np.array([], int)):
        np.testing.assert_array_equal(stored[order], IMAGES[ids[order]])
    np.testing.assert_array_equal(stored[10:90], IMAGES[ids[10:90]])
    np.testing.assert_array_equal(stored[190:500], IMAGES[ids[190:]])


def test_a_selection_is_still_on_disk_and_black_where_there_is_no_face(folder: Path) -> None:
    _, stored = find_faces(folder, "val")
    some = stored.select(np.array([-1, 7, 3, -1]))
    assert len(some) == 4
    assert not some[np.array([0, 3])].any()
    np.testing.assert_array_equal(some[1:3], IMAGES[[21, 9]])
    np.testing.assert_array_equal(some.select(np.array([2, 1]))[:], IMAGES[[9, 21]])


def test_a_face_that_is_there_twice_is_found_twice(tmp_path: Path) -> None:
    """Parquet may write it once, in a dictionary."""
    write_faces(tmp_path, FACES, rows(IMAGES[np.array([4, 1, 4, 2, 1, 1, 3, 5, 1])]))
    _, stored = find_faces(tmp_path, "train")
    np.testing.assert_array_equal(stored[:], IMAGES[[1, 4, 1, 1, 5, 1]])


def test_a_table_of_large_pages_is_found(tmp_path: Path) -> None:
    """Beyond a megabyte, Parquet stops using the dictionary and starts new pages."""
    large = np.random.default_rng(0).integers(0, 256, (60, 160, 160, 3), np.uint8)
    write_faces(tmp_path, FACES, rows(large))
    _, stored = find_faces(tmp_path, "val")
    np.testing.assert_array_equal(stored[:], large[::3])


def test_a_compressed_column_is_one_line(tmp_path: Path) -> None:
    flat = np.zeros((9, 28, 28, 3), np.uint8)
    pq.write_table(
        pa.Table.from_pylist(rows(flat + np.arange(9, dtype=np.uint8)[:, None, None, None]), FACES),
        tmp_path / "part-00000.parquet",
        compression="zstd",
    )
    with pytest.raises(DataError, match=r"part-00000.parquet: its images are compressed; run `dvc repro`"):
        find_faces(tmp_path, "train")


def test_a_split_without_faces_is_one_line(folder: Path) -> None:
    with pytest.raises(DataError, match="has no faces of test"):
        find_faces(folder, "test")


def test_a_file_that_changes_meanwhile_is_one_line(folder: Path) -> None:
    _, stored = find_faces(folder, "train")
    (folder / "part-00001.parquet").write_bytes(b"another")
    with pytest.raises(DataError, match=r"part-00001.parquet: changed while it was in use"):
        stored[:]
