"""The table of triplets: a folder of Parquet shards, like the face tables."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftlgan.errors import DataError
from ftlgan.faces import read_table, shards, write_table

TRIPLETS = pa.schema(
    [
        pa.field("anchor", pa.string(), False),
        pa.field("positive", pa.string(), False),
        pa.field("negative", pa.string(), False),
        pa.field("identity", pa.string()),
        pa.field("negative_identity", pa.string()),
        pa.field("positive_distance", pa.float32(), False),
        pa.field("negative_distance", pa.float32(), False),
    ]
)
"""The face_ids of the three faces, the person of anchor and positive, the person of the negative, and the distances of
positive and negative from the anchor in the mining. An unknown person is null. If there is no other photo of the same
person, the positive is the anchor itself."""
TRIPLETS_PER_SHARD = 2**20


def write_triplets(folder: Path, tables: Iterable[pa.Table]) -> None:
    """Stream triplets into `folder/part-00000.parquet`, `part-00001.parquet`, ...: 1,048,576 in each but the last.

    The shards do not depend on how the rows are divided into tables. Old shards are deleted first, as in
    `ftlgan.faces.write_faces`.

    Raises:
        DataError: if a shard can't be written, e.g. because the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*part-*.parquet"):
        old.unlink()
    for part, table in enumerate(_shards(tables)):
        write_table(folder / f"part-{part:05}.parquet", table)


def _shards(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows in tables of `TRIPLETS_PER_SHARD`; the last may be shorter. No rows give one empty table."""
    waiting, first = TRIPLETS.empty_table(), True
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= TRIPLETS_PER_SHARD:
            yield waiting.slice(0, TRIPLETS_PER_SHARD)
            waiting, first = waiting.slice(TRIPLETS_PER_SHARD), False
    if waiting.num_rows or first:
        yield waiting


def read_triplets(folder: Path) -> Iterator[pa.Table]:
    """Read and check a table of triplets shard by shard. It may come from somebody else.

    Raises:
        DataError: if it is missing or empty, its schema is not `TRIPLETS`, or a row is not a triplet.
    """
    count = 0
    for path in shards(folder):
        table = read_table(path)
        if not table.schema.equals(TRIPLETS):
            raise DataError(
                f"{path}: has the columns {', '.join(table.schema.names)}; expected those of "
                "ftlgan.triplets.table.TRIPLETS"
            )
        _check_rows(path, table)
        count += table.num_rows
        yield table
    if not count:
        raise DataError(f"{folder}: has no triplets; run `dvc repro triplets`")


def _check_rows(path: Path, table: pa.Table) -> None:
    """Check that each row is a triplet.

    Raises:
        DataError: if one is not.
    """

    def equal(one: str, other: str) -> np.ndarray:
        return pc.fill_null(pc.call_function("equal", [table[one], table[other]]), False).to_numpy()

    wrong = equal("negative", "anchor") | equal("negative", "positive") | equal("identity", "negative_identity")
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{path}: row {row} (anchor {table['anchor'][row]}) is not a triplet; run `dvc repro -f triplets`"
        )
