"""Users' text and CSV files, with line numbers as an editor counts them."""

import codecs
import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError

NEEDLESS = "\ufeff\u200b"
"""Invisible characters that may surround the name of a column: a byte order mark, a zero-width space."""
LABELS = {"true": True, "yes": True, "t": True, "y": True, "false": False, "no": False, "f": False, "n": False}
"""The words that a cell of the column `genuine` may have besides a number, in lower case; any case is accepted."""


@dataclass(frozen=True)
class CsvFile:
    """The cells of a CSV file, without blank lines."""

    path: Path
    columns: dict[str, list[str]]
    """The cells of each column by its name; cells missing at the end of a line are empty."""
    lines: list[int]
    """The line in which each row begins, counted from 1."""

    def refuse(self, name: str, wrong: NDArray[np.bool_], wanted: str) -> None:
        """Refuse the first wrong cell of a column.

        Args:
            name: the column.
            wrong: which cells are wrong, (N,).
            wanted: what is wrong and what to do, for the message.

        Raises:
            DataError: if there is one.
        """
        if wrong.any():
            row = int(np.argmax(wrong))
            cell = self.columns[name][row]
            raise DataError(f"{self.path}: line {self.lines[row]}: {name} is {shown(cell)}, {wanted}")


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without its byte order mark.

    Raises:
        DataError: if it is not UTF-8.
    """
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = len(text_lines(data[: error.start].decode() + "?"))  # the line of that byte
        raise DataError(
            f"{path}: line {line}: {data[error.start : error.start + 1]!r} is not UTF-8 text; save the file as UTF-8"
        ) from None


def text_lines(text: str) -> list[str]:
    """Return the lines as an editor counts them, without line ends. `str.splitlines` splits at more characters."""
    return [line.rstrip("\r\n") for line in io.StringIO(text, newline="")]


def read_csv(path: Path) -> CsvFile:
    """Read a CSV file with a header; no line may have more cells than the header.

    Raises:
        DataError: if it is not such a file.
    """
    found: list[tuple[int, list[str]]] = []
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    begin = 1
    try:
        for row in rows:
            if len(row) > 1 or "".join(row).strip():
                found.append((begin, row))
            begin = rows.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}: line {begin}: is not CSV ({error}); close each quote, and double the quotes in a cell"
        ) from None
    if not found:
        raise DataError(f"{path}: is empty; give a CSV with a header and a line for each row")
    (_, first), *rest = found
    names = [name.strip().strip(NEEDLESS).strip() for name in first]
    for name in names:
        if name and names.count(name) > 1:
            raise DataError(f"{path}: line {found[0][0]}: has the column {name} twice; keep one")
    for line, row in rest:
        if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            raise DataError(
                f"{path}: line {line}: has {len(row)} cells, but the header has {len(names)}; quote cells with commas"
            )
    cells = {
        name: [row[place] if place < len(row) else "" for _, row in rest] for place, name in enumerate(names) if name
    }
    return CsvFile(path, cells, [line for line, _ in rest])


def read_labels(table: CsvFile) -> NDArray[np.bool_]:
    """Return the column `genuine`, (N,).

    Raises:
        DataError: if a cell has another value.
    """
    labels = [_label(cell) for cell in table.columns["genuine"]]
    table.refuse("genuine", np.array([label is None for label in labels], dtype=np.bool_), "not 1 or 0")
    return np.array(labels, dtype=np.bool_)


def _label(cell: str) -> bool | None:
    word = cell.strip().lower()
    if word in LABELS:
        return LABELS[word]
    try:
        number = float(word)
    except ValueError:
        return None
    return bool(number) if number in (0, 1) else None


def shown(value: object) -> str:
    """Return a value quoted for an error message, in one line of at most 60 letters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def joined_names(names: Iterable[object]) -> str:
    """Return names separated by commas for an error message, at most 20 of them."""
    found = [" ".join(str(name).split()) for name in names]
    return ", ".join(found[:20]) + (", ..." if len(found) > 20 else "")
