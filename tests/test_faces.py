"""The face table: whole, in order, and the same bytes for the same rows."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from small_disk import small_disk

from ftlgan import faces
from ftlgan.errors import DataError
from ftlgan.faces import (
    FACES,
    embeddings_of,
    embeddings_schema,
    read_faces,
    read_table,
    stream_faces,
    write_faces,
    write_table,
)

SUDDEN_DEATH = Path(__file__).parent / "pipeline/sudden_death"


def rows(count: int) -> list[dict[str, object]]:
    splits = ("train", "val", "test")
    return [
        {
            "face_id": f"p{i // 2}/{i}",
            "identity": f"p{i // 2}",
            "split": splits[i % 3],
            "image": bytes([i % 256]) * (i + 1),
        }
        for i in range(count)
    ]


def test_what_was_written_is_read_in_order(tmp_path: Path) -> None:
    assert write_faces(tmp_path, FACES, iter(rows(10))) == 10
    assert read_faces(tmp_path).to_pylist() == rows(10)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_faces(tmp_path / name, FACES, rows(50))
    assert (tmp_path / "a/part-00000.parquet").read_bytes() == (tmp_path / "b/part-00000.parquet").read_bytes()


@pytest.mark.parametrize(("limit", "value", "shards"), [("FACES_PER_SHARD", 4, 3), ("BYTES_PER_SHARD", 20, 3)])
def test_a_full_shard_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, shards: int
) -> None:
    monkeypatch.setattr(faces, limit, value)
    write_faces(tmp_path, FACES, rows(10))
    assert len(faces.shards(tmp_path)) == shards
    assert read_faces(tmp_path).to_pylist() == rows(10)


def test_no_rows_give_a_table_without_rows(tmp_path: Path) -> None:
    write_faces(tmp_path, FACES, [])
    assert read_faces(tmp_path).num_rows == 0


def test_a_stream_gives_the_chosen_splits_in_small_batches(tmp_path: Path) -> None:
    write_faces(tmp_path, FACES, rows(20))
    batches = list(stream_faces(tmp_path, ["test"], size=3))
    assert max(batch.num_rows for batch in batches) == 3
    assert [row for batch in batches for row in batch.to_pylist()] == [
        row for row in rows(20) if row["split"] == "test"
    ]
    assert faces.count_faces(tmp_path, ["test"]) == 6


def test_chosen_columns_come_without_the_split_that_chose_them(tmp_path: Path) -> None:
    write_faces(tmp_path, FACES, rows(6))
    assert read_faces(tmp_path, ["face_id"], ["val"]).to_pydict() == {"face_id": ["p0/1", "p2/4"]}


def test_embeddings_keep_their_values_and_say_whose_they_are(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    who = [{"face_id": str(i), "identity": "p", "split": "test"} for i in range(5)]
    write_faces(
        tmp_path,
        embeddings_schema(8, "sface", "ab12"),
        [{**w, "embedding": v} for w, v in zip(who, vectors, strict=True)],
    )
    table = read_faces(tmp_path, splits=["test"])
    np.testing.assert_array_equal(embeddings_of(table), vectors)
    assert table.schema.metadata == {b"recognizer": b"sface", b"sha256": b"ab12"}


def test_a_png_keeps_every_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    np.testing.assert_array_equal(faces.decode_face(faces.encode_png(image)), image)


@pytest.mark.parametrize("format_", ["gif", "tiff", "bmp"])
def test_an_image_of_another_format_is_one_line(format_: str) -> None:
    image = io.BytesIO()
    Image.new("RGB", (14, 14)).save(image, format_)
    with pytest.raises(DataError, match=r"column image .* not a whole PNG or JPEG; .* `dvc repro`"):
        faces.decode_face(image.getvalue())


@pytest.mark.parametrize("length", [0, 7, 60, 500])
def test_a_truncated_png_is_one_line(length: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    with pytest.raises(DataError, match=rf"{length} bytes that are not a whole PNG"):
        faces.decode_face(faces.encode_png(image)[:length])


def test_a_full_disk_is_one_line_and_leaves_no_half_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "FACES_PER_SHARD", 4)
    photos = [row | {"image": np.random.default_rng(i).bytes(100_000)} for i, row in enumerate(rows(12))]
    with small_disk(tmp_path / "raw", kib=1000):
        with pytest.raises(DataError, match=r"raw/part-00002\.parquet: the disk is full, .* free some space"):
            write_faces(tmp_path / "raw", FACES, photos)
        assert {path.name for path in (tmp_path / "raw").iterdir()} == {"part-00000.parquet", "part-00001.parquet"}
        assert read_faces(tmp_path / "raw").to_pylist() == photos[:8]


def test_a_table_is_there_whole_or_not_at_all_when_its_process_is_killed(tmp_path: Path) -> None:
    """The process is killed when everything is written but not yet renamed."""
    code = "import sys; from pathlib import Path; from ftlgan.faces import *; import pyarrow as pa;"
    code += "write_table(Path(sys.argv[1]), pa.table({'face_id': ['new']}))"
    path = tmp_path / "part-00000.parquet"
    environment = {**os.environ, "PYTHONPATH": str(SUDDEN_DEATH), "DIE_AT": str(path)}
    for older in (False, True):
        if older:
            write_table(path, pa.table({"face_id": ["old"]}))
        command = [sys.executable, "-c", code, str(path)]
        killed = subprocess.run(command, env=environment, start_new_session=True, capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert path.exists() == older
    assert read_table(path)["face_id"].to_pylist() == ["old"]


def test_a_table_that_ends_early_is_not_filled_up_by_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "FACES_PER_SHARD", 4)
    write_faces(tmp_path, FACES, rows(12))
    (tmp_path / ".part-00002.parquet").write_bytes(b"left by a kill")

    def ends_early() -> Iterator[dict[str, object]]:
        yield from rows(5)
        raise OSError("photos are gone")

    with pytest.raises(OSError, match="gone"):
        write_faces(tmp_path, FACES, ends_early())
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000.parquet"]


def test_a_missing_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no face table; run `dvc repro`"):
        read_faces(tmp_path)


def test_a_truncated_shard_is_one_line(tmp_path: Path) -> None:
    write_faces(tmp_path, FACES, rows(10))
    shard = tmp_path / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"part-00000\.parquet: is not a whole Parquet file"):
        read_faces(tmp_path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    write_faces(tmp_path, FACES, rows(1))
    with pytest.raises(DataError, match="has no column landmarks"):
        read_faces(tmp_path, ["landmarks"])
