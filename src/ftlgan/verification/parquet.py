"""Tables of embeddings in Parquet. Columns may have any type that can be cast to text or numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.parts import NAMES, Part, shortened
from ftlgan.verification.text_files import joined_names, shown

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError)
"""The errors that pyarrow raises if a file or a column is damaged."""


def read_parquet(path: Path) -> list[Part]:
    """Read a Parquet file, or the files in a folder and in its subfolders named NAME=VALUE.

    Raises:
        DataError: if there is no file, or one is not a table of embeddings.
    """
    files = _parquet_files(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: holds no .parquet file; give the file or folder of a table of embeddings")
    return [_read_part(file, _partition(file.relative_to(path).parts[:-1]) if file != path else {}) for file in files]


def _parquet_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*.parquet") if path.is_file())
    for inner in sorted(path for path in folder.glob("*=*") if path.is_dir()):
        found += _parquet_files(inner)
    return found


def _partition(folders: Sequence[str]) -> dict[str, str]:
    """Return the columns that the folders' names give."""
    pairs = (folder.split("=", 1) for folder in folders)
    return {name: "" if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value) for name, value in pairs}


def _read_part(path: Path, partition: dict[str, str]) -> Part:
    try:
        with pq.ParquetFile(path) as file:
            columns: list[str] = file.schema_arrow.names
            _check_columns(path, columns, partition)
            table = file.read(columns=[name for name in (*NAMES, "embedding") if name in columns])
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except UNREADABLE as error:
        if "Expected all lists to be of size" in str(error):  # Arrow cannot read back what it wrote
            raise DataError(
                f"{path}: embedding is a list of fixed size, but a row has none; write it as a list of variable size"
            ) from None
        raise DataError(
            f"{path}: is not a table of embeddings in Parquet ({shortened(error)}); give Parquet, .npy or a .csv of "
            "scores"
        ) from None
    names = {name: _strings(path, table[name], name) for name in NAMES if name in columns}
    for name in NAMES:
        if name not in partition:
            continue
        folder_names = np.array([partition[name]] * table.num_rows, dtype=np.str_)
        if name in names and (names[name] != folder_names).any():
            row = int(np.argmax(names[name] != folder_names))
            raise DataError(
                f"{path}: row {row}: {name} is {shown(str(names[name][row]))} in the file, but "
                f"{shown(partition[name])} in the folder's name; correct one"
            )
        names[name] = folder_names
    metadata = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (table.schema.metadata or {}).items()
    }
    recognizer = {key: metadata[key] for key in ("recognizer", "sha256", "preprocessing") if key in metadata}
    return Part(path, names, _vectors(path, table["embedding"]), recognizer)


def _check_columns(path: Path, columns: Sequence[str], partition: dict[str, str]) -> None:
    if "embedding" not in columns and "embedding" in partition:
        raise DataError(f"{path}: has no column embedding, but a folder of that name; rename the folder")
    if "embedding" not in columns:
        raise DataError(
            f"{path}: has no column embedding, only {joined_names(columns) or 'none'}; give a table with the columns "
            "identity and embedding"
        )
    for name in (*NAMES, "embedding"):
        if columns.count(name) > 1:
            raise DataError(f"{path}: has the column {name} {columns.count(name)} times; keep one")


def _vectors(path: Path, column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return the embeddings (N, D), NaN where there is none."""
    chunks = [_lists(path, column, chunk) for chunk in map(_plain, column.chunks)]
    lengths = sorted({length for _, found in chunks for length in np.unique(found).tolist()} - {0})
    if len(lengths) > 1:
        raise DataError(f"{path}: embeddings differ in length ({joined_names(lengths)}); embed all with one recognizer")
    vectors = np.full((len(column), lengths[0] if lengths else 1), np.nan, dtype=np.float32)
    start = 0
    for values, found in chunks:
        rows = start + np.flatnonzero(found)
        with np.errstate(over="ignore", invalid="ignore"):
            vectors[rows] = values.reshape(len(rows), vectors.shape[1])
        start += len(found)
    return vectors


def _lists(path: Path, column: pa.ChunkedArray, chunk: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return all numbers in the lists of a chunk, and the length of each list, 0 where there is none."""
    kind = chunk.type
    if pa.types.is_null(kind):
        return np.empty(0), np.zeros(len(chunk), np.int64)
    if not _is_list(kind) or _is_list(kind.value_type):
        raise DataError(f"{path}: embedding is {column.type}, not a list of numbers; give each row one flat list")
    try:
        lists = chunk.cast(pa.large_list(kind.value_type))
        values = _plain(lists.flatten())
        if not pa.types.is_floating(values.type):
            values = values.cast(pa.float64())
        lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        return values.to_numpy(zero_copy_only=False), lengths.astype(np.int64)
    except UNREADABLE as error:
        raise DataError(f"{path}: embedding is {column.type}, not a list of numbers ({shortened(error)})") from None


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _plain(values: Any) -> Any:
    """Return the values of an array of a dictionary or extension type."""
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif isinstance(values, pa.DictionaryArray):
            values = values.dictionary_decode()
        else:
            return values


def _strings(path: Path, column: pa.ChunkedArray, name: str) -> NDArray[np.str_]:
    """Return a column as text; whole numbers have no `.0`."""
    found = [np.empty(0, np.str_)]
    no_name = 0
    for chunk in map(_plain, column.chunks):
        kind = chunk.type
        try:
            if pa.types.is_floating(kind):
                numbers = chunk.to_numpy(zero_copy_only=False).astype(np.float64)
                whole = bool((np.isnan(numbers) | (numbers == np.round(numbers))).all())
                chunk = pa.array(numbers, from_pandas=True)  # noqa: PLW2901 - the same values, NaN as null
                chunk = chunk.cast(pa.int64()) if whole else chunk  # noqa: PLW2901
            no_name += chunk.null_count
            text = chunk.cast(pa.large_string()).fill_null("")
        except UNREADABLE as error:
            raise DataError(
                f"{path}: {name} is {column.type}, not text ({shortened(error)}){_not_utf8(name, chunk)}; write it as "
                "text"
            ) from None
        found.append(text.to_numpy(zero_copy_only=False).astype(np.str_))
    if no_name and name != "split":
        raise DataError(f"{path}: {no_name} of {len(column)} rows have no {name}; give them one or remove them")
    return np.concatenate(found)


def _not_utf8(name: str, chunk: Any) -> str:
    """Return the first value that is not UTF-8, for a message; empty if there is none."""
    if pa.types.is_binary(chunk.type) or pa.types.is_large_binary(chunk.type) or pa.types.is_binary_view(chunk.type):
        for value in chunk.to_pylist():
            try:
                (value or b"").decode()
            except UnicodeDecodeError:
                return f": {name} {shown(value)}"
    return ""
