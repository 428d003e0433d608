"""Embeddings that anyone made: in Parquet, or a .npy array with a file of names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.names import find_alike, is_missing, shown_apart, spelling
from ftlgan.verification.pairs import Faces, check_embeddings
from ftlgan.verification.text_files import joined_names, read_csv, read_text, shown, text_lines

NAMES = ("identity", "face_id", "split")
"""Columns of names; only the first has to be there."""
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError)
"""What pyarrow raises where a file, or a column, is not what it says."""


@dataclass(frozen=True)
class EmbeddingTable:
    """Embedded faces as they were found in a file or folder."""

    faces: Faces
    named: bool
    """Whether the photos have names; else they are numbered."""
    split: str
    """Whose faces of the table these are; empty: it has no splits."""
    recognizer: dict[str, str]
    """Name and SHA-256 of what embedded them, where the table says so."""
    missing: int = 0
    """Photos without an embedding that were left out."""


@dataclass(frozen=True, eq=False)
class _Part:
    """A file of a table."""

    path: Path
    names: dict[str, NDArray[np.str_]]
    """The columns of names that there are, (N,) each."""
    embeddings: NDArray[np.float32]
    """(N, D); a row of NaN where there is none."""
    recognizer: dict[str, str]


def read_embeddings(
    path: Path, split: str | None = None, names: Path | None = None, skip_missing: bool = False
) -> EmbeddingTable:
    """Read a Parquet file, or all in a folder: columns identity, embedding, and if there are, face_id and split.

    A folder may be partitioned as Hive does it: `split=test/part.parquet`. Or read an array (N, D) from a .npy file,
    and who is on its rows from a file of names: `_read_names`.

    Args:
        path: the file or folder.
        split: whose faces; None: those of the test, where the table has any, else all.
        names: the names of the rows of a .npy file; None: the .csv or .txt file of the same name beside it.
        skip_missing: leave out, and count, photos without an embedding: null, empty, all NaN or all 0.

    Raises:
        DataError: if there is no such table, it lacks a column, has no faces of the split, a person in two splits or
            a photo twice, or embeddings are missing, of different or not of unit length, or not finite.
    """
    parts = [_read_array(path, names)] if path.suffix.lower() == ".npy" else _read_parts(path)
    for name in NAMES[1:]:
        if len({name in part.names for part in parts}) > 1:
            (lacking, *_) = [part.path for part in parts if name not in part.names]
            raise DataError(f"{lacking}: has no column {name}, and other files of {path} do; give it to all or none")
    for part in parts:
        _check_names(part)
    column = {name: np.concatenate([part.names[name] for part in parts]) for name in parts[0].names}
    _refuse_alike(path, column["identity"])
    inside, chosen = _choose(path, column, split)
    vectors, missing = _usable(path, parts, inside, skip_missing)
    identities = column["identity"][inside][~missing]
    named = "face_id" in column
    ids = (column["face_id"] if named else np.arange(len(inside)).astype(np.str_))[inside]
    found, counts = np.unique(ids, return_counts=True)
    if (twice := counts > 1).any():
        raise DataError(f"{path}: has {found[twice][0]} {counts[twice][0]} times; face_id is to name each photo once")
    faces = Faces(ids[~missing], identities, vectors)
    return EmbeddingTable(faces, named, chosen, _one_recognizer(parts), int(np.count_nonzero(missing)))


def copies(*tables: Faces) -> set[str]:
    """Photos that are another one to the byte, as their embedding tells; the first under any name is not among them.

    Of a photo that several tables hold only the first of them counts: two restored faces may be alike by chance.
    """
    first: dict[bytes, str] = {}
    seen: set[str] = set()
    found: set[str] = set()
    for faces in tables:
        for name, embedding in zip(faces.face_ids.tolist(), faces.embeddings, strict=True):
            if name not in seen and first.setdefault(embedding.tobytes(), name) != name:
                found.add(name)
        seen.update(faces.face_ids.tolist())
    return found


def refuse_alike_across(table: Path, probes: Faces, references: Path, others: Faces) -> None:
    """Refuse a person, or a photo, that two tables spell differently: it would be two.

    Raises:
        DataError: if there is one.
    """
    for name, ours, theirs in (
        ("identity", probes.identities, others.identities),
        ("face_id", probes.face_ids, others.face_ids),
    ):
        first, second = set(ours.tolist()), set(theirs.tolist())
        spelled = {spelling(found): found for found in first - second}
        for found in sorted(second - first):
            if other := spelled.get(spelling(found)):
                theirs_shown, ours_shown = shown_apart(found, other)
                raise DataError(
                    f"{references}: {name} {theirs_shown} and {ours_shown} of {table} look like one name; write it "
                    "one way, or rename one"
                )


def _choose(path: Path, column: dict[str, NDArray[np.str_]], split: str | None) -> tuple[NDArray[np.bool_], str]:
    """Which rows are of the split, (N,), and its name; empty: all."""
    every: list[str] = column["split"].tolist() if "split" in column else []
    splits = [name for name in dict.fromkeys(every) if name]
    chosen = split or ("test" if "test" in splits else "")
    who = column["identity"]
    if not chosen:
        return np.ones(len(who), dtype=np.bool_), ""
    if chosen not in splits:
        raise DataError(f"{path}: has no faces of the split {chosen!r}; it has {joined_names(splits) or 'no splits'}")
    inside = column["split"] == chosen
    if shared := {*who[inside].tolist()} & {*who[~inside].tolist()}:
        raise DataError(f"{path}: {min(shared)} is in the split {chosen!r} and in another; keep a person in one")
    return inside, chosen


def _usable(
    path: Path, parts: Sequence[_Part], inside: NDArray[np.bool_], skip_missing: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The embeddings that there are, (M, D), and which of the rows inside lack one, (N,)."""
    vectors: list[NDArray[np.float32]] = []
    missing: list[NDArray[np.bool_]] = []
    ends = np.cumsum([len(part.embeddings) for part in parts])[:-1]
    for part, mask in zip(parts, np.split(inside, ends), strict=True):
        rows = np.flatnonzero(mask)
        found = part.embeddings[rows]
        lacking = (np.isnan(found) | (found == 0)).all(axis=1)
        no_values = np.isnan(found).all(axis=1)
        if no_values.any() and not skip_missing:
            raise DataError(
                f"{part.path}: {np.count_nonzero(no_values)} of {len(rows)} embeddings are not finite or not of unit "
                f"length, the first in row {rows[np.argmax(no_values)]} (there is none): embed the face, remove the "
                "row, or leave such photos out by --missing skip"
            )
        kept = ~lacking if skip_missing else np.ones(len(rows), dtype=np.bool_)
        if kept.any():
            vectors.append(check_embeddings(found[kept], str(part.path), int(kept.sum()), rows[kept]))
        missing.append(~kept)
    lengths = sorted({found.shape[1] for found in vectors})
    if len(lengths) > 1:
        raise DataError(f"{path}: embeddings have {joined_names(lengths)} numbers; embed all with one recognizer")
    return (
        np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32),
        np.concatenate(missing),
    )


def _check_names(part: _Part) -> None:
    for name in ("identity", "face_id"):
        names = part.names.get(name, np.empty(0, np.str_))
        for found in np.unique(names).tolist():
            if is_missing(found):
                row = int(np.argmax(names == found))
                raise DataError(
                    f"{part.path}: row {row}: {name} is {shown(found)}, no name; give one or remove the row"
                )


def _refuse_alike(path: Path, identities: NDArray[np.str_]) -> None:
    if alike := find_alike(np.unique(identities).tolist()):
        one, other = shown_apart(*alike)
        raise DataError(
            f"{path}: identity {one} and {other} look like one name; write it one way, or rename one of two people"
        )


def _one_recognizer(parts: Sequence[_Part]) -> dict[str, str]:
    first = parts[0]
    for part in parts:
        if part.recognizer != first.recognizer:
            raise DataError(
                f"{part.path}: embedded by {part.recognizer or 'nobody knows whom'}, {first.path}: by "
                f"{first.recognizer or 'nobody knows whom'}; embed all with one recognizer"
            )
    return first.recognizer


def _read_parts(path: Path) -> list[_Part]:
    """Read a Parquet file, or those of a folder and of its folders that are called NAME=VALUE."""
    files = _parquet_files(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: holds no .parquet file; give a file or a folder of a table of embeddings")
    return [_read_part(file, _partition(file.relative_to(path).parts[:-1]) if file != path else {}) for file in files]


def _parquet_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*.parquet") if path.is_file())
    for inner in sorted(path for path in folder.glob("*=*") if path.is_dir()):
        found += _parquet_files(inner)
    return found


def _partition(folders: Sequence[str]) -> dict[str, str]:
    """The columns that the names of folders hold."""
    pairs = (folder.split("=", 1) for folder in folders)
    return {name: "" if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value) for name, value in pairs}


def _read_part(path: Path, partition: dict[str, str]) -> _Part:
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
                f"{path}: embedding is a list of fixed size, and a row has none; write it as a list of any size"
            ) from None
        raise DataError(
            f"{path}: is not a table of embeddings in Parquet ({_reason(error)}); give Parquet, .npy or a .csv of "
            "scores"
        ) from None
    names = {name: _strings(path, table[name], name) for name in NAMES if name in columns}
    for name in NAMES:
        if name not in partition:
            continue
        of_folder = np.array([partition[name]] * table.num_rows, dtype=np.str_)
        if name in names and (names[name] != of_folder).any():
            row = int(np.argmax(names[name] != of_folder))
            raise DataError(
                f"{path}: row {row}: {name} is {shown(str(names[name][row]))}, and its folder says "
                f"{shown(partition[name])}; correct one"
            )
        names[name] = of_folder
    metadata = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (table.schema.metadata or {}).items()
    }
    recognizer = {key: metadata[key] for key in ("recognizer", "sha256") if key in metadata}
    return _Part(path, names, _vectors(path, table["embedding"]), recognizer)


def _check_columns(path: Path, columns: Sequence[str], partition: dict[str, str]) -> None:
    for name in ("identity", "embedding"):
        if name not in columns and name not in partition:
            raise DataError(
                f"{path}: has no column {name}; a table of embeddings has identity and embedding, and this one "
                f"{joined_names(columns) or 'nothing'}"
            )
    if "embedding" not in columns:
        raise DataError(f"{path}: has no column embedding, but a folder of that name; rename the folder")
    for name in (*NAMES, "embedding"):
        if columns.count(name) > 1:
            raise DataError(f"{path}: has the column {name} {columns.count(name)} times; keep one")


def _vectors(path: Path, column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Embeddings (N, D), NaN where there is none."""
    chunks = [_lists(path, column, chunk) for chunk in map(_plain, column.chunks)]
    lengths = sorted({length for _, found in chunks for length in np.unique(found).tolist()} - {0})
    if len(lengths) > 1:
        raise DataError(f"{path}: embeddings have {joined_names(lengths)} numbers; embed all with one recognizer")
    vectors = np.full((len(column), lengths[0] if lengths else 1), np.nan, dtype=np.float32)
    start = 0
    for values, found in chunks:
        rows = start + np.flatnonzero(found)
        with np.errstate(over="ignore", invalid="ignore"):
            vectors[rows] = values.reshape(len(rows), vectors.shape[1])
        start += len(found)
    return vectors


def _lists(path: Path, column: pa.ChunkedArray, chunk: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All numbers of the lists of a chunk, and how many each list has: 0 where there is none."""
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
        raise DataError(f"{path}: embedding is {column.type}, not a list of numbers ({_reason(error)})") from None


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _plain(values: Any) -> Any:
    """Undo a dictionary or an extension type: the values themselves."""
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif isinstance(values, pa.DictionaryArray):
            values = values.dictionary_decode()
        else:
            return values


def _strings(path: Path, column: pa.ChunkedArray, name: str) -> NDArray[np.str_]:
    """A column as text; numbers without a needless `.0`."""
    found = [np.empty(0, np.str_)]
    no_name = 0
    for chunk in map(_plain, column.chunks):
        kind = chunk.type
        try:
            if pa.types.is_floating(kind):
                numbers = chunk.to_numpy(zero_copy_only=False).astype(np.float64)
                whole = bool((np.isnan(numbers) | (numbers == np.round(numbers))).all())
                chunk = pa.array(numbers, from_pandas=True)  # noqa: PLW2901 - the same values, as they will be cast
                chunk = chunk.cast(pa.int64()) if whole else chunk  # noqa: PLW2901
            no_name += chunk.null_count
            text = chunk.cast(pa.large_string()).fill_null("")
        except UNREADABLE as error:
            raise DataError(
                f"{path}: {name} is {column.type}, and not text ({_reason(error)}){_not_utf8(name, chunk)}; write it "
                "as text"
            ) from None
        found.append(text.to_numpy(zero_copy_only=False).astype(np.str_))
    if no_name and name != "split":
        raise DataError(f"{path}: {no_name} of {len(column)} rows have no {name}; give them one or remove them")
    return np.concatenate(found)


def _not_utf8(name: str, chunk: Any) -> str:
    """The first of the bytes that are no text."""
    if pa.types.is_binary(chunk.type) or pa.types.is_large_binary(chunk.type) or pa.types.is_binary_view(chunk.type):
        for value in chunk.to_pylist():
            try:
                (value or b"").decode()
            except UnicodeDecodeError:
                return f": {name} {shown(value)}"
    return ""


def _read_array(path: Path, names: Path | None) -> _Part:
    """Read a .npy file (N, D) and the names of its rows."""
    embeddings = _load(path)
    if embeddings.ndim != 2:
        raise DataError(f"{path}: has shape {embeddings.shape}; give an array (photos, numbers), a row for each photo")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            vectors = embeddings.astype(np.float32)
    except (ValueError, TypeError):
        raise DataError(f"{path}: holds {embeddings.dtype}, not numbers; save the embeddings as floats") from None
    file = names or _names_beside(path)
    columns, lines = _read_names(file)
    if len(columns["identity"]) != len(vectors):
        raise DataError(
            f"{file}: has {len(columns['identity'])} names, and {path} {len(vectors)} rows; give a name for each row, "
            "in their order"
        )
    for name in ("identity", "face_id"):
        for line, found in zip(lines, columns.get(name, np.empty(0, np.str_)).tolist(), strict=False):
            if is_missing(found):
                raise DataError(f"{file}: line {line}: {name} is {shown(found)}, no name; give one for each row")
    return _Part(path, columns, vectors, {})


def _load(path: Path) -> NDArray[Any]:
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except Exception as error:  # the header is parsed as Python: a damaged one raises whatever its tokenizer does
        raise DataError(f"{path}: is not an array of numbers ({_reason(error)}); write it by numpy.save") from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise DataError(f"{path}: is an archive of arrays; write the embeddings alone by numpy.save")
    if found.dtype.kind == "c" or found.dtype.names:
        raise DataError(f"{path}: holds {found.dtype}, not numbers; save the embeddings as floats")
    return found


def _names_beside(path: Path) -> Path:
    beside = [path.with_suffix(".csv"), path.with_suffix(".txt")]
    there = [file for file in beside if file.is_file()]
    if len(there) != 1:
        state = "both" if there else "neither"
        raise DataError(
            f"{path}: whose faces are these? Of {beside[0].name} and {beside[1].name} beside it there is {state}; name "
            "the file by --names"
        )
    return there[0]


def _read_names(path: Path) -> tuple[dict[str, NDArray[np.str_]], list[int]]:
    """Read who is on the rows of an array: the columns of names, and the line of each row.

    A .csv has a header, identity and if you like face_id and split. A .npy holds a name or number for each row. Any
    other file is text, a line for each row: the identity, or if each line has a `/`, the photo PERSON/PHOTO, of which
    the folder is the identity.
    """
    if path.suffix.lower() == ".npy":
        found = _load(path)
        if found.ndim != 1 or found.dtype.kind not in "iuUS":
            raise DataError(f"{path}: holds {found.dtype} of shape {found.shape}, not a name for each row")
        try:
            return {"identity": found.astype(np.str_)}, list(range(1, len(found) + 1))
        except UnicodeDecodeError:
            raise DataError(f"{path}: holds bytes that are not ASCII; save the names as text") from None
    lines = text_lines(read_text(path))
    header = [cell.strip() for cell in lines[0].split(",")] if lines else []
    if path.suffix.lower() == ".csv" or "identity" in header:
        table = read_csv(path)
        if "identity" not in table.columns:
            raise DataError(f"{path}: has no column identity, but {joined_names(table.columns)}; name the rows by one")
        return {
            name: np.array(table.columns[name], dtype=np.str_) for name in NAMES if name in table.columns
        }, table.lines
    while lines and not lines[-1].strip():
        lines.pop()
    numbers = list(range(1, len(lines) + 1))
    slashed = [bool(re.search(r"[/\\]", line)) for line in lines]
    if not any(slashed):
        return {"identity": np.array(lines, dtype=np.str_)}, numbers
    if not all(slashed):
        line = slashed.index(not slashed[0])
        raise DataError(
            f"{path}: line {line + 1}: {shown(lines[line])}, and line 1: {shown(lines[0])}; give PERSON/PHOTO in each "
            "line, or the identity alone"
        )
    folders = [PurePosixPath(line.replace("\\", "/")).parent.name for line in lines]
    return {"identity": np.array(folders, dtype=np.str_), "face_id": np.array(lines, dtype=np.str_)}, numbers


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
