"""Embeddings in a .npy array, and the file that names the person of each row."""

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
    """Read a .npy file (N, D) and the names of its rows.

    Args:
        path: the .npy file.
        names: the file of names; None: the .csv or .txt file of the same name next to the .npy file.

    Raises:
        DataError: if either file can't be read, or the number of names differs from the number of rows.
    """
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
            f"{file}: has {len(columns['identity'])} names, but {path} has {len(vectors)} rows; give a name for each "
            "row, in the same order"
        )
    for name in ("identity", "face_id"):
        for line, found in zip(lines, columns.get(name, np.empty(0, np.str_)).tolist(), strict=False):
            if is_missing(found):
                raise DataError(f"{file}: line {line}: {name} is {shown(found)}, not a name; give one for each row")
    return Part(path, columns, vectors, {})


def _load(path: Path) -> NDArray[Any]:
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except Exception as error:  # numpy parses the header as Python: a damaged one may raise any error
        raise DataError(f"{path}: is not an array of numbers ({shortened(error)}); write it with numpy.save") from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise DataError(f"{path}: is an archive of arrays; write the embeddings alone with numpy.save")
    if found.dtype.kind == "c" or found.dtype.names:
        raise DataError(f"{path}: holds {found.dtype}, not numbers; save the embeddings as floats")
    return found


def _names_beside(path: Path) -> Path:
    candidates = [path.with_suffix(".csv"), path.with_suffix(".txt")]
    found = [file for file in candidates if file.is_file()]
    if len(found) != 1:
        state = "both" if found else "neither"
        names = " and ".join(file.name for file in candidates)
        raise DataError(f"{path}: whose faces are these? Looked for {names}, found {state}; give the file with --names")
    return found[0]


def _read_names(path: Path) -> tuple[dict[str, NDArray[np.str_]], list[int]]:
    """Return the columns of names of an array, and the line of each row.

    A .csv has a header with identity and, optionally, face_id and split. A .npy holds a name or number for each row.
    Any other file is text with a line for each row. The line is the identity. If every line has a `/`, it is
    PERSON/PHOTO, and the folder PERSON is the identity.
    """
    if path.suffix.lower() == ".npy":
        found = _load(path)
        if found.ndim != 1 or found.dtype.kind not in "iuUS":
            raise DataError(f"{path}: holds {found.dtype} of shape {found.shape}; save one name for each row")
        try:
            return {"identity": found.astype(np.str_)}, list(range(1, len(found) + 1))
        except UnicodeDecodeError:
            raise DataError(f"{path}: holds bytes that are not ASCII; save the names as text") from None
    lines = text_lines(read_text(path))
    header = [cell.strip() for cell in lines[0].split(",")] if lines else []
    if path.suffix.lower() == ".csv" or "identity" in header:
        table = read_csv(path)
        if "identity" not in table.columns:
            raise DataError(f"{path}: has no column identity, only {joined_names(table.columns)}; add that column")
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
            f"{path}: line {line + 1} is {shown(lines[line])}, but line 1 is {shown(lines[0])}; give PERSON/PHOTO in "
            "each line, or the identity alone"
        )
    folders = [PurePosixPath(line.replace("\\", "/")).parent.name for line in lines]
    return {"identity": np.array(folders, dtype=np.str_), "face_id": np.array(lines, dtype=np.str_)}, numbers
