"""A user's scores of pairs, in CSV."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.names import find_alike, is_missing, shown_apart
from ftlgan.verification.pairs import Comparison, numbered
from ftlgan.verification.text_files import CsvFile, joined_names, read_csv, read_labels, read_text, text_lines

MISSING = {"", "nan", "na", "n/a", "<na>", "null", "none", "-"}
"""The cells that mean there is no score, in lower case; any case is accepted."""
SIDES = ("probe_identity", "reference_identity")
LARGEST = 1e100
"""The largest absolute value of a score, so that sums of squares stay finite."""


@dataclass(frozen=True)
class ScoreFile:
    """The scored pairs of a file."""

    comparison: Comparison
    distances: bool
    """Whether the file has distances; their scores are -distance."""
    missing: int
    """The number of pairs left out because they have no score."""


def read_scores(path: Path, skip_missing: bool = False) -> ScoreFile:
    """Read scored pairs from a CSV.

    The file has a column `score` (higher is more alike) or `distance` (lower is more alike). It also has the identities
    of both sides, `probe_identity` and `reference_identity`, or `genuine`: 1 or 0, true or false, yes or no. If it has
    both, they must agree. Without identities, people can't be resampled.

    Args:
        path: the file.
        skip_missing: leave out, and count, pairs whose score is empty or nan.

    Raises:
        DataError: if the file is not such a CSV, a cell has another value, or two columns contradict each other.
    """
    refuse_semicolons(path)
    table = read_csv(path)
    column = _check_columns(table)
    missing = np.array([cell.strip().lower() in MISSING for cell in table.columns[column]], dtype=np.bool_)
    if skip_missing:
        table = _without(table, missing)
    else:
        table.refuse(column, missing, "not a finite number; compute it, or leave such pairs out with --missing skip")
    numbers = np.array(pd.to_numeric(pd.Series(table.columns[column], dtype=object), errors="coerce"), dtype=np.float64)
    table.refuse(column, ~np.isfinite(numbers), "not a finite number")
    table.refuse(column, np.abs(numbers) > LARGEST, f"not between -{LARGEST:g} and {LARGEST:g}")
    scores = numbers if column == "score" else -numbers
    labels = read_labels(table) if "genuine" in table.columns else None
    if SIDES[0] in table.columns:
        people, (one, other) = numbered(*(_identities(table, side) for side in SIDES))
        _refuse_alike(table)
        genuine = one == other
        if labels is not None:
            table.refuse("genuine", labels != genuine, "but the identities disagree; correct one or remove a column")
        persons = one[genuine], np.stack([one[~genuine], other[~genuine]])
    else:
        assert labels is not None, "_check_columns refuses a table that has neither"
        genuine = labels
        people, persons = (), (np.empty(0, np.int32), np.empty((2, 0), np.int32))
    comparison = Comparison(people, scores[genuine], scores[~genuine], *persons)
    return ScoreFile(comparison, column == "distance", int(np.count_nonzero(missing)) if skip_missing else 0)


def refuse_semicolons(path: Path) -> None:
    """Refuse a CSV whose columns are separated by semicolons, as a spreadsheet may write it.

    Raises:
        DataError: if the first line has semicolons and no comma, or the file is not UTF-8.
    """
    header = next(iter(text_lines(read_text(path))), "")
    if ";" in header and "," not in header:
        raise DataError(
            f"{path}: line 1: has the columns {joined_names(header.split(';'))}, separated by semicolons; separate "
            "columns by commas, and write 0.5 for 0,5"
        )


def _check_columns(table: CsvFile) -> str:
    """Return the name of the column of scores."""
    names = table.columns.keys()
    if not names & {"score", "distance"} or not ("genuine" in names or names & set(SIDES)):
        (only, *others) = [*names] or [""]
        hint = "; separate columns by commas" if not others and "\t" in only else ""
        raise DataError(
            f"{table.path}: has the columns {joined_names(list(names))}; give score or distance, and genuine or "
            f"probe_identity and reference_identity{hint}"
        )
    if {"score", "distance"} <= names:
        raise DataError(f"{table.path}: has the columns score and distance; keep the one to evaluate")
    if lacking := [side for side in SIDES if side not in names and names & set(SIDES)]:
        (there,) = names & set(SIDES)
        raise DataError(f"{table.path}: has the column {there} but not {lacking[0]}; give both, or only genuine")
    return "score" if "score" in names else "distance"


def _without(table: CsvFile, rows: NDArray[np.bool_]) -> CsvFile:
    kept = np.flatnonzero(~rows).tolist()
    columns = {name: [cells[row] for row in kept] for name, cells in table.columns.items()}
    return CsvFile(table.path, columns, [table.lines[row] for row in kept])


def _identities(table: CsvFile, side: str) -> NDArray[np.str_]:
    cells = table.columns[side]
    blank = {name for name in set(cells) if is_missing(name)}
    table.refuse(
        side, np.array([name in blank for name in cells], dtype=np.bool_), "not a name; give one or remove the line"
    )
    return np.array(cells, dtype=np.str_)


def _refuse_alike(table: CsvFile) -> None:
    places: dict[str, tuple[int, str]] = {}
    for side in SIDES:
        for line, name in zip(table.lines, table.columns[side], strict=True):
            places.setdefault(name, (line, side))
    if alike := find_alike(sorted(places, key=lambda name: places[name])):
        (first, _), (line, side) = places[alike[0]], places[alike[1]]
        one, other = shown_apart(*alike)
        raise DataError(
            f"{table.path}: line {line}: {side} {other} and {one} (line {first}) look like one "
            "name; spell it one way, or rename one of the two people"
        )
