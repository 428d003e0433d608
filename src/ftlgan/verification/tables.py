"""What other people's files hold: embeddings in Parquet, scores in CSV."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.faces import recognizer_of
from ftlgan.verification.pairs import Comparison, Faces, check_embeddings, numbered

LABELS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
"""What a cell of the column `genuine` may say, in any case."""


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


def read_embeddings(path: Path, split: str | None = None) -> EmbeddingTable:
    """Read a Parquet file, or all in a folder: columns identity, embedding, and if there are, face_id and split.

    Args:
        path: the file or folder.
        split: whose faces; None: those of the test, where the table has any, else all.

    Raises:
        DataError: if there is no such table, it lacks a column, has no faces of the split, a person in two splits or
            a photo twice, or embeddings are missing, of different or not of unit length, or not finite.
    """
    table = _read_parquet(path)
    splits = table["split"].unique().to_pylist() if "split" in table.column_names else []
    chosen = split or ("test" if "test" in splits else "")
    if chosen:
        if chosen not in splits:
            raise DataError(f"{path}: has no faces of the split {chosen!r}; it has {_listed(splits) or 'no splits'}")
        inside = table["split"].to_numpy() == chosen
        who = _strings(path, table, "identity")
        if shared := {*who[inside]} & {*who[~inside]}:
            raise DataError(f"{path}: {min(shared)} is in the split {chosen!r} and in another; keep a person in one")
        table = table.filter(pa.array(inside))
    named = "face_id" in table.column_names
    ids = _strings(path, table, "face_id") if named else np.arange(table.num_rows).astype(np.str_)
    names, counts = np.unique(ids, return_counts=True)
    if (twice := counts > 1).any():
        raise DataError(f"{path}: has {names[twice][0]} {counts[twice][0]} times; face_id is to name each photo once")
    vectors = check_embeddings(_vectors(path, table), str(path), table.num_rows)
    recognizer = {key: value for key, value in recognizer_of(table).items() if key in ("recognizer", "sha256")}
    return EmbeddingTable(Faces(ids, _strings(path, table, "identity"), vectors), named, chosen, recognizer)


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


def read_scores(path: Path) -> Comparison:
    """Read scored pairs from a CSV.

    A column `score` (the higher, the more alike) or `distance` (the lower); and either the identities on both sides,
    `probe_identity` and `reference_identity`, or `genuine`: 1 or 0, true or false, yes or no. Without identities nobody
    can be resampled.

    Raises:
        DataError: if the file is not such a CSV, or a cell holds something else.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a CSV file ({' '.join(str(error).split())})") from None
    names = set(table.columns)
    if not names & {"score", "distance"} or not (
        "genuine" in names or {"probe_identity", "reference_identity"} <= names
    ):
        raise DataError(
            f"{path}: has the columns {_listed(table.columns.tolist())}; scores need score or distance, and genuine or "
            "probe_identity and reference_identity"
        )
    column = "score" if "score" in names else "distance"
    numbers = np.array(pd.to_numeric(table[column], errors="coerce"), dtype=np.float64)
    _refuse(path, table[column], ~np.isfinite(numbers), "a finite number")
    scores = numbers if column == "score" else -numbers
    if "probe_identity" in names:
        sides = (np.array(table[side], dtype=np.str_) for side in ("probe_identity", "reference_identity"))
        people, (one, other) = numbered(*sides)
        genuine = one == other
        persons = one[genuine], np.stack([one[~genuine], other[~genuine]])
    else:
        labels = table["genuine"].str.lower().map(LABELS)
        _refuse(path, table["genuine"], np.array(labels.isna()), "1 or 0")
        genuine = np.array(labels, dtype=np.bool_)
        people, persons = (), (np.empty(0, np.int32), np.empty((2, 0), np.int32))
    return Comparison(people, scores[genuine], scores[~genuine], *persons)


def _read_parquet(path: Path) -> pa.Table:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: holds no .parquet file; give a file or a folder of a table of embeddings")
    try:
        return pa.concat_tables([_read_columns(file) for file in files])
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: is not a table of embeddings in Parquet ({' '.join(str(error).split())})") from None


def _read_columns(path: Path) -> pa.Table:
    file = pq.ParquetFile(path)
    columns = file.schema_arrow.names
    for name in ("identity", "embedding"):
        if name not in columns:
            raise DataError(f"{path}: has no column {name}; a table of embeddings has identity and embedding")
    return file.read(columns=[name for name in ("identity", "embedding", "face_id", "split") if name in columns])


def _vectors(path: Path, table: pa.Table) -> NDArray[Any]:
    column = table["embedding"].combine_chunks()
    if not (pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)):
        raise DataError(f"{path}: embedding is {column.type}, not a list of numbers")
    lengths = np.unique(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)).tolist()
    if len(lengths) > 1 or column.null_count:
        raise DataError(f"{path}: embeddings have {_listed(lengths)} numbers; embed all with one recognizer")
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), lengths[0] if lengths else 0)


def _strings(path: Path, table: pa.Table, name: str) -> NDArray[np.str_]:
    column = table[name]
    if column.null_count:
        raise DataError(
            f"{path}: {column.null_count} of {len(column)} rows have no {name}; give them one or remove them"
        )
    return column.cast(pa.string()).to_numpy().astype(np.str_)


def _refuse(path: Path, column: Any, wrong: NDArray[np.bool_], wanted: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{path}: line {row + 2}: {column.name} is {column.iloc[row]!r}, not {wanted}")


def _listed(names: list[Any]) -> str:
    return ", ".join(str(name) for name in names)
