"""The face table: a folder of Parquet shards that a stage passes to the next.

The same rows give the same bytes: fixed order, fixed shards, no clock, no host name. Faces are stored in shards because
DVC takes 43 s for a folder of 50,000 images, and 2.6 s for the same images in shards.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ftlgan.errors import DataError, writing

HR = 112
"""Width and height of an aligned or restored face, pixels."""
SPLITS = ("train", "val", "test")

FACES_PER_SHARD = 4096
BYTES_PER_SHARD = 256 * 2**20

_WHO = [pa.field("face_id", pa.string(), False), pa.field("identity", pa.string())]
"""The identity is null if it is not known, which is allowed only for training faces."""
_SPLIT = pa.field("split", pa.string(), False)

FACES = pa.schema([*_WHO, _SPLIT, pa.field("image", pa.binary(), False)])
"""Raw photos (in their original encoding), degraded faces and restored faces (PNG, RGB, 8 bit)."""
RAW = pa.schema([*FACES, pa.field("aligned", pa.bool_(), False)])
"""Raw photos, some of which are already aligned faces of 112x112."""
DEGRADED = pa.schema([*FACES, pa.field("native", pa.bool_(), False)])
"""Small faces for training and validation. A native face was photographed small: it has no high-resolution twin."""
ALIGNED = pa.schema(
    [*FACES, pa.field("landmarks", pa.list_(pa.float32(), 10), False), pa.field("detection_score", pa.float32(), False)]
)
"""Aligned faces, with x, y of the eyes, nose and mouth corners in pixels of the source photo. They are PNG; faces that
were already aligned may keep their original JPEG."""
REJECTS = pa.schema([*_WHO, pa.field("reason", pa.string(), False)])
"""Photos that could not be used, and why."""


def embeddings_schema(dimension: int, recognizer: str, sha256: str, preprocessing: str | None = None) -> pa.Schema:
    """Return the schema of unit-length embeddings.

    Its metadata has the recognizer's name, the SHA-256 of its weights and, for a file of the user's, the preprocessing.
    Two tables can be compared if the last two are equal.
    """
    embedding = pa.field("embedding", pa.list_(pa.float32(), dimension), False)
    given = {"preprocessing": preprocessing} if preprocessing is not None else {}
    return pa.schema([*_WHO, _SPLIT, embedding], {"recognizer": recognizer, "sha256": sha256, **given})


def write_faces(folder: Path, schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> int:
    """Stream rows into `folder/part-00000.parquet`, `part-00001.parquet`, ...

    A shard is full at 4,096 faces or 256 MiB of images, whichever comes first. No rows give one empty shard.

    Old shards are deleted first, so that the folder never mixes old and new ones. An interrupted call leaves an
    incomplete table. In the pipeline, DVC does not record the output of a failed stage, and deletes it before the next
    run.

    Returns:
        The number of rows written.

    Raises:
        DataError: if a shard can't be written, e.g. because the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*part-*.parquet"):  # also the hidden files of a killed run
        old.unlink()
    shard: list[Mapping[str, Any]] = []
    size = count = part = 0
    for row in rows:
        shard.append(row)
        size += len(row.get("image", b""))
        count += 1
        if len(shard) == FACES_PER_SHARD or size >= BYTES_PER_SHARD:
            write_table(folder / f"part-{part:05}.parquet", pa.Table.from_pylist(shard, schema))
            shard, size, part = [], 0, part + 1
    if shard or not count:
        write_table(folder / f"part-{part:05}.parquet", pa.Table.from_pylist(shard, schema))
    return count


def write_table(path: Path, table: pa.Table) -> None:
    """Write one Parquet file atomically. The same table gives the same bytes.

    Raises:
        DataError: if it can't be written, e.g. because the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Images are already compressed; zstd helps only the other columns.
    compression = {field.name: "none" if field.name == "image" else "zstd" for field in table.schema}
    options: dict[str, Any] = {"compression": compression, "write_statistics": False}
    aside = path.with_name(f".{path.name}")
    with writing(path):
        pq.write_table(table, aside, row_group_size=FACES_PER_SHARD, **options)  # removes what it could not finish
        aside.replace(path)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one Parquet file.

    Raises:
        DataError: if the file is missing, is not Parquet or lacks one of `columns`.
    """
    try:
        file = pq.ParquetFile(path)
        missing = set(columns or ()) - set(file.schema_arrow.names)
        if missing:
            raise DataError(f"{path}: has no column {', '.join(sorted(missing))}; run `dvc repro` to write it again")
        return file.read(columns=list(columns) if columns else None)
    except FileNotFoundError:
        raise DataError(f"{path}: is missing; run `dvc repro` (or `dvc pull`) to get it") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: is not a whole Parquet file ({error}); delete it and run `dvc repro`") from None


def shards(folder: Path) -> list[Path]:
    """Return the shards of a face table, in order.

    Raises:
        DataError: if there are none.
    """
    paths = sorted(folder.glob("part-*.parquet"))
    if not paths:
        raise DataError(f"{folder}: has no face table; run `dvc repro` (or `dvc pull`) to get it")
    return paths


def count_faces(folder: Path, splits: Sequence[str] = SPLITS) -> int:
    """Return the number of faces of `splits` in a face table."""
    return read_faces(folder, ["face_id"], splits).num_rows


def read_faces(folder: Path, columns: Sequence[str] | None = None, splits: Sequence[str] = SPLITS) -> pa.Table:
    """Read a face table, or some of its columns, for the people in `splits`."""
    wanted = list(columns) if columns else None
    tables = [
        _select_splits(read_table(path, wanted and [*dict.fromkeys([*wanted, "split"])]), splits)
        for path in shards(folder)
    ]
    table = pa.concat_tables(tables)
    return table.select(wanted) if wanted else table


def stream_faces(folder: Path, splits: Sequence[str] = SPLITS, size: int = 64) -> Iterator[pa.RecordBatch]:
    """Yield the faces of `splits` in batches of at most `size`, so that memory does not grow with the table."""
    for path in shards(folder):
        yield from _select_splits(read_table(path), splits).to_batches(max_chunksize=size)


def _select_splits(table: pa.Table, splits: Sequence[str]) -> pa.Table:
    if set(splits) >= set(SPLITS):
        return table
    chosen = np.isin(table.column("split").to_numpy(zero_copy_only=False), splits)
    return table.filter(pa.array(chosen))


def recognizer_of(table: pa.Table) -> dict[str, str]:
    """Return the metadata of a table of embeddings: `recognizer` (name), `sha256` (weights), maybe `preprocessing`."""
    return {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}


def restored_schema(teachers: Sequence[str]) -> pa.Schema:
    """Return the schema of faces restored by a network. Its metadata names the recognizers in the network's loss."""
    return FACES.with_metadata({"teachers": " ".join(teachers)})


def teachers_of(folder: Path) -> list[str]:
    """Return the recognizers in the loss of the network that restored a table of faces.

    Raises:
        DataError: if the table is missing, or its metadata does not name them.
    """
    path = shards(folder)[0]
    metadata = read_table(path, ["face_id"]).schema.metadata or {}
    if b"teachers" not in metadata:
        raise DataError(f"{path}: does not name the recognizers in the loss; run `dvc repro` to write it again")
    return metadata[b"teachers"].decode().split()


def embeddings_of(table: pa.Table) -> np.ndarray:
    """Return the column `embedding` as a float32 array (N, D)."""
    column = table.column("embedding")
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)


def encode_png(image: np.ndarray) -> bytes:
    """Encode a uint8 RGB image (H, W, 3) without loss."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", compress_level=6)
    return buffer.getvalue()


def decode_face(data: bytes) -> np.ndarray:
    """Decode a face of a table, PNG or JPEG: uint8 RGB (H, W, 3).

    Raises:
        DataError: if the bytes are neither. Other formats are not tried, because a table may come from an untrusted
            source.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise DataError(
            f"the column image of a face table holds {len(data):,} bytes that are not a whole PNG or JPEG; delete the "
            "table and run `dvc repro` to write it again"
        ) from None


def decode_images(images: pa.Array | pa.ChunkedArray | Sequence[bytes]) -> np.ndarray:
    """Decode a column of faces of one size: uint8 RGB (N, H, W, 3)."""
    faces = [decode_face(image if isinstance(image, bytes) else image.as_py()) for image in images]
    return np.stack(faces) if faces else np.zeros((0, HR, HR, 3), np.uint8)
