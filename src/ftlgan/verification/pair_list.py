"""A list of pairs of photos: CSV, or the pairs.txt of Labeled Faces in the Wild.

A CSV has the columns `probe` and `reference`, which name photos. It may have the columns `fold` and `genuine`; the
latter is checked. The first line of a pairs.txt gives the number of folds and the number of pairs of each kind in a
fold, or only the latter if there are no folds. `NAME 1 4` is a pair of one person's photos, `NAME 1 OTHER 2` a pair of
two people's photos.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", UMass technical report 07-49 (2007).
"""

import csv
import re
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ftlgan.errors import DataError, writing
from ftlgan.verification.names import shown_apart, spelling
from ftlgan.verification.text_files import joined_names, read_csv, read_labels, read_text, shown, text_lines


class Listed(NamedTuple):
    """A pair in a list."""

    line: int
    probe: str
    reference: str
    fold: str
    """The fold's name; empty without folds."""
    genuine: bool | None
    """Whether the list calls the pair genuine; None if it does not tell."""


def repeated(pairs: Iterable[tuple[Hashable, Hashable]]) -> int:
    """Count the pairs that came before, in either order.

    Args:
        pairs: the two photos of each pair.
    """
    seen = [frozenset(pair) for pair in pairs]
    return len(seen) - len(set(seen))


def listed_people(pairs: Sequence[Listed]) -> set[str]:
    """Return the people of a list whose photos are named PERSON/PHOTO."""
    return {name.split("/")[0] for pair in pairs for name in (pair.probe, pair.reference)}


def write_pairs(path: Path, pairs: Sequence[Listed]) -> None:
    """Write a list whose photos are named PERSON/PHOTO as CSV for `score_list`; without pairs, write only the header.

    Raises:
        DataError: if the file can't be written.
    """
    columns = ["probe", "reference", "genuine", *["fold"] * all(pair.fold for pair in pairs)]
    with writing(path), path.open("w", encoding="utf-8", newline="\n") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for pair in pairs:
            same = pair.probe.split("/")[0] == pair.reference.split("/")[0]
            genuine = int(same if pair.genuine is None else pair.genuine)
            table.writerow([pair.probe, pair.reference, genuine, pair.fold][: len(columns)])


def read_pairs(path: Path) -> list[Listed]:
    """Read a list of pairs.

    Raises:
        DataError: if there is no such file, or it is not a list of pairs.
    """
    if path.is_dir() or not path.exists():
        problem = "is a folder" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {problem}; give a list of pairs: LFW's pairs.txt, or a CSV with probe,reference")
    text = read_text(path)
    first = next((line.split() for line in text_lines(text) if line.strip()), [])
    if not first:
        raise DataError(f"{path}: lists no pairs; give it a line for each, after the header probe,reference")
    numbers = all(re.fullmatch("[0-9]+", word) for word in first)
    listed = _pairs_txt(path, text_lines(text)) if numbers else _csv(path)
    if not listed:
        raise DataError(f"{path}: lists no pairs; give it a line for each, after the header probe,reference")
    return listed


def _csv(path: Path) -> list[Listed]:
    table = read_csv(path)
    for name in ("probe", "reference"):
        if name not in table.columns:
            raise DataError(
                f"{path}: has no column {name}, only {joined_names(table.columns)}; give a pairs.txt, or a CSV with "
                "the header probe,reference (and fold)"
            )
    for name in ("probe", "reference", "fold"):
        cells = table.columns.get(name, [])
        table.refuse(name, np.array([not cell.strip() for cell in cells], dtype=np.bool_), "empty; give one")
    count = len(table.lines)
    labels = read_labels(table).tolist() if "genuine" in table.columns else [None] * count
    folds = [fold.strip() for fold in table.columns.get("fold", [""] * count)]
    rows = zip(table.lines, table.columns["probe"], table.columns["reference"], folds, labels, strict=True)
    return [Listed(*row) for row in rows]


def _pairs_txt(path: Path, lines: Sequence[str]) -> list[Listed]:
    (head, first), *rest = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    counts = [int(word) for word in first.split() if _is_number(word)]
    if len(counts) not in (1, 2) or len(counts) != len(first.split()) or not all(counts):
        raise DataError(
            f"{path}: line {head}: {shown(first)} is not FOLDS PAIRS or PAIRS; give the number of folds, and of pairs "
            "of each kind in a fold, 1 or more"
        )
    folds, pairs_per_kind = counts if len(counts) == 2 else [1, *counts]
    listed: list[Listed] = []
    for number, line in rest:
        match [word.strip() for word in (line.strip().split("\t") if "\t" in line.strip() else line.split())]:
            case [name, one, other] if _is_number(one) and _is_number(other):
                pair = (name, one, name, other)
            case [name, one, second, other] if _is_number(one) and _is_number(other):
                pair = (name, one, second, other)
            case _:
                raise DataError(f"{path}: line {number}: {shown(line)} is not a pair; give NAME 1 2 or NAME 1 NAME 2")
        fold = str(len(listed) // (2 * pairs_per_kind)) if folds > 1 else ""
        names = f"{pair[0]}/{int(pair[1]):04}", f"{pair[2]}/{int(pair[3]):04}"
        listed.append(Listed(number, *names, fold, pair[0] == pair[2]))
    if len(listed) != 2 * folds * pairs_per_kind:
        raise DataError(
            f"{path}: has {len(listed)} pairs, but its first line promises {folds} x 2 x {pairs_per_kind}; get the "
            "file again"
        )
    return listed


def _is_number(word: str) -> bool:
    return re.fullmatch("[0-9]{1,9}", word) is not None


def _person_and_number(photo: PurePosixPath, name: str) -> tuple[str, int] | None:
    """Return the person and the number of a photo; None if it has no number.

    Args:
        photo: PERSON/PHOTO. In PERSON/2020/1.jpg, nobody is called 2020.
        name: the name of the photo: 1, 0001 or PERSON_0001.
    """
    if len(photo.parts) != 2:
        return None
    person = photo.parts[0]
    number = name.removeprefix(f"{person}_")
    return (person, int(number)) if _is_number(number) else None


class PhotoNames:
    """Finds the row of a photo by any name that a list may use.

    NAME/0001, NAME/1 and NAME/NAME_0001 also find NAME/NAME_0001.jpg and NAME/1.jpg. A name with a suffix finds only
    the photo of exactly this name.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._rows = {name: row for row, name in enumerate(self._names)}
        self._by_number: dict[tuple[str, int], list[int]] = {}
        for row, name in enumerate(self._names):
            photo = PurePosixPath(name)
            if number := _person_and_number(photo, photo.stem):
                self._by_number.setdefault(number, []).append(row)

    def row(self, path: Path, line: int, name: str) -> int | None:
        """Return the row of a photo; None if it is missing.

        Args:
            path: the list, for messages.
            line: its line, for messages.
            name: the name in the list.

        Raises:
            DataError: if the name fits several photos.
        """
        if name in self._rows:
            return self._rows[name]
        photo = PurePosixPath(name)
        number = _person_and_number(photo, photo.name)
        rows = self._by_number.get(number, []) if number else []
        if len(rows) > 1:
            raise DataError(
                f"{path}: line {line}: {shown(name)} may be {joined_names(self._names[row] for row in rows)}; keep one "
                "of these photos"
            )
        return rows[0] if rows else None

    def like(self, name: str) -> str:
        """Return a hint on a missing name: a photo whose name differs only in spelling, or any photo as an example."""
        key = spelling(name)
        alike = next((found for found in self._names if spelling(found) == key), None)
        if alike is not None:
            return f"(but {shown_apart(alike, name)[0]} is; spell it like that)"
        return f"(such as {shown(next(iter(self._names), 'none'))})"
