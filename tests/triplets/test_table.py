"""The table of triplets: written in shards, read back, and refused if invalid."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ftlgan.errors import DataError
from ftlgan.faces import write_table
from ftlgan.triplets import table as triplet_table
from ftlgan.triplets.table import TRIPLETS, read_triplets, write_triplets


def some(count: int) -> pa.Table:
    """Return a table of `count` triplets."""
    numbers = np.arange(count)
    ids = [pa.array([f"{role}{i}" for i in numbers]) for role in "apn"]
    people = [pa.array([None if i % 3 == 0 else f"{role}{i}" for i in numbers]) for role in "pq"]
    distances = [pa.array(numbers.astype(np.float32)), pa.array(numbers.astype(np.float32) + 1)]
    return pa.table([*ids, *people, *distances], schema=TRIPLETS)


def test_a_table_is_written_in_shards_whatever_tables_its_rows_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triplet_table, "TRIPLETS_PER_SHARD", 10)
    whole = some(25)
    write_triplets(tmp_path / "a", [whole])
    write_triplets(tmp_path / "b", [whole.slice(0, 3), whole.slice(3, 0), whole.slice(3, 20), whole.slice(23)])
    parts = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert parts == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    for part in parts:
        assert (tmp_path / "a" / part).read_bytes() == (tmp_path / "b" / part).read_bytes()
    assert [table.num_rows for table in read_triplets(tmp_path / "a")] == [10, 10, 5]
    assert pa.concat_tables(read_triplets(tmp_path / "a")).equals(whole)


def test_a_table_that_gets_smaller_leaves_no_shard_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triplet_table, "TRIPLETS_PER_SHARD", 10)
    write_triplets(tmp_path, [some(30)])
    write_triplets(tmp_path, [some(10)])
    assert pa.concat_tables(read_triplets(tmp_path)).equals(some(10))


def test_a_table_of_another_schema_is_one_line(tmp_path: Path) -> None:
    write_table(tmp_path / "part-00000.parquet", pa.table({"anchor": ["a"]}))
    with pytest.raises(DataError, match=r"part-00000\.parquet: has the columns anchor"):
        list(read_triplets(tmp_path))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", "b", "c", "p", "p", 0.1, 0.2), "row 0"),
        (("a", "b", "a", "p", "q", 0.1, 0.2), "row 0"),
        (("a", "b", "b", None, None, 0.1, 0.2), "row 0"),
    ],
)
def test_a_row_that_is_no_triplet_is_named(tmp_path: Path, row: tuple[object, ...], said: str) -> None:
    write_table(tmp_path / "part-00000.parquet", pa.table([[value] for value in row], schema=TRIPLETS))
    with pytest.raises(DataError, match=f"{said} .* is not a triplet"):
        list(read_triplets(tmp_path))


def test_an_empty_table_is_one_line(tmp_path: Path) -> None:
    write_table(tmp_path / "part-00000.parquet", TRIPLETS.empty_table())
    with pytest.raises(DataError, match="has no triplets"):
        list(read_triplets(tmp_path))
