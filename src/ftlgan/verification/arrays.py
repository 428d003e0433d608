"""Embeddings in a .npy array, and the file of names that says whose they are."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.names import is_missing
from ftlgan.verification.parts import NAMES, Part, shortened
from ftlgan.verification.text_files import joined_names, read_csv, read_text, shown, text_lines


def read_array(path: Path, names: Path | None) -> Part:
    """Read a .npy file (N, D) and the names of its rows."""
    embeddings = _load(path)
    if embeddings.ndim != 2:
        raise DataError(f"{path}: has shape {embeddings.shape}; give an array (photos, numbers), a row for each photo")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            vectors = embeddings.astype(np.float32, copy=False)
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
    return Part(path, columns, vectors, {})


def _load(path: Path) -> NDArray[Any]:
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except Exception as error:  # the header is parsed as Python: a damaged one raises whatever its tokenizer does
        raise DataError(f"{path}: is not an array of numbers ({shortened(error)}); write it by numpy.save") from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise DataError(f"{path}: is an archive of arrays; write the embeddings alone by numpy.save")
    if found.dtype.kind == "c" or found.dtype.names:
        raise DataError(f"{path}: holds {found.dtype}, not numbers; save the embeddings as floats")
    return found


def _names_beside(path: Path) -> Path:
    candidates = [path.with_suffix(".csv"), path.with_suffix(".txt")]
    found = [file for file in candidates if file.is_file()]
    if len(found) != 1:
        state = "both are" if found else "neither is"
        names = " and ".join(file.name for file in candidates)
        raise DataError(f"{path}: whose faces are these? Of {names} {state} beside it; name the file by --names")
    return found[0]


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
