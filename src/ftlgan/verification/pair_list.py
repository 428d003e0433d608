"""A protocol that lists its pairs: CSV, or the pairs.txt of Labeled Faces in the Wild; and accuracy over its folds.

A CSV has the columns `probe` and `reference`, names of photos, and may have `fold`, and `genuine`, which is checked. A
pairs.txt begins with the number of folds and of pairs of each kind in a fold (or with the latter alone: one set, no
folds); `NAME 1 4` is a pair of one person's photos, `NAME 1 OTHER 2` of two people's.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", UMass technical report 07-49 (2007).
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError, writing
from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.metrics import RESOLUTION
from ftlgan.verification.names import shown_apart, spelling
from ftlgan.verification.pairs import Comparison, Faces, check_same_people, numbered
from ftlgan.verification.scores import read_labels
from ftlgan.verification.text_files import joined_names, read_csv, read_text, shown, text_lines


class Listed(NamedTuple):
    """A pair of a list."""

    line: int
    probe: str
    reference: str
    fold: str
    """Empty: none."""
    genuine: bool | None
    """What the list says; None: nothing."""


@dataclass(frozen=True, eq=False)
class ScoredList:
    """The pairs of a list, scored."""

    scores: Floats
    """Similarity of each pair, (N,)."""
    genuine: NDArray[np.bool_]
    """Whether both photos are of one person, (N,)."""
    folds: Ints | None
    """Number of each pair's fold, (N,); None without folds."""
    comparison: Comparison
    copies: int
    """Pairs left out, because one photo is the other to the byte."""
    missing: int
    """Pairs left out, because a photo is not in the table."""


@dataclass(frozen=True)
class FoldAccuracy:
    """Share of pairs judged rightly by a threshold that was chosen on the other folds."""

    folds: int
    mean: float
    standard_error: float
    """The standard deviation of the folds (with one degree of freedom less) divided by the root of their number."""


def score_list(path: Path, probes: Faces, references: Faces, skip_missing: bool = False) -> ScoredList:
    """Score the pairs that a file lists by the cosine of their embeddings.

    Args:
        path: the file.
        probes: the photos on the one side.
        references: those on the other side, perhaps the same.
        skip_missing: leave out, and count, pairs of a photo that is not there.

    Raises:
        DataError: if the file is no list of pairs, names a photo that is not there, compares one with itself, or says
            that a pair is genuine, or is not, and the identities say otherwise; or if neither list nor identities
            say whether a pair is genuine.
    """
    every = read_pairs(path)
    check_same_people(probes, references)
    if probes.anonymous and (unknown := next((pair for pair in every if pair.genuine is None), None)):
        raise DataError(
            f"{path}: line {unknown.line}: is this pair of one person? The table has no column identity; add it there, "
            "or give the list a column genuine, of 1 and 0"
        )
    rows = _find_rows(path, every, probes, references, skip_missing)
    listed = [pair for pair, found in zip(every, rows, strict=True) if found]
    sides = np.array([found for found in rows if found]).T
    probe, reference = probes.take(sides[0]), references.take(sides[1])
    if (same := probe.face_ids == reference.face_ids).any():
        pair = listed[int(np.argmax(same))]
        raise DataError(f"{path}: line {pair.line}: compares {pair.probe} with itself; remove the line")
    if not probes.anonymous:
        _check_labels(path, listed, probe, reference)
    kept = (probe.embeddings != reference.embeddings).any(axis=1)
    probe, reference = probe.take(kept), reference.take(kept)
    folds = [pair.fold for pair in listed]
    if probes.anonymous:
        genuine = np.array([bool(pair.genuine) for pair in listed], dtype=np.bool_)[kept]
        people, persons = (), (np.empty(0, np.int32), np.empty((2, 0), np.int32))
    else:
        people, (one, other) = numbered(probe.identities, reference.identities)
        genuine = one == other
        persons = one[genuine], np.stack([one[~genuine], other[~genuine]])
    scores = np.einsum("ij,ij->i", probe.embeddings, reference.embeddings, dtype=np.float64)
    return ScoredList(
        scores=scores,
        genuine=genuine,
        folds=np.unique(folds, return_inverse=True)[1][kept] if all(folds) else None,
        comparison=Comparison(people, scores[genuine], scores[~genuine], *persons),
        copies=int(np.count_nonzero(~kept)),
        missing=len(every) - len(listed),
    )


def _check_labels(path: Path, listed: Sequence[Listed], probes: Faces, references: Faces) -> None:
    """Refuse a pair that is genuine by the list and not by the table, or the other way round."""
    for pair, one, other in zip(listed, probes.identities.tolist(), references.identities.tolist(), strict=True):
        if pair.genuine is not None and pair.genuine != (one == other):
            raise DataError(
                f"{path}: line {pair.line}: {shown(pair.probe)} and {shown(pair.reference)} are "
                f"{'one person' if pair.genuine else 'two people'} by the list, and by the table {shown(one)} and "
                f"{shown(other)}; correct one of the two"
            )


def fold_accuracy(scores: Floats, genuine: NDArray[np.bool_], folds: Ints) -> FoldAccuracy:
    """Judge each fold by the threshold with the best accuracy on all others, as the protocol of LFW does.

    The threshold lies halfway between two neighbouring scores; of several that are best, it is the lowest.

    Args:
        scores: (N,).
        genuine: (N,).
        folds: number of each pair's fold, (N,), two different ones at least.
    """
    accuracies = [
        np.mean((scores[held] >= _best_threshold(scores[~held], genuine[~held])) == genuine[held])
        for held in (folds == fold for fold in np.unique(folds))
    ]
    count = len(accuracies)
    return FoldAccuracy(count, float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / np.sqrt(count)))


def _best_threshold(scores: Floats, genuine: NDArray[np.bool_]) -> float:
    levels, level = np.unique(scores, return_inverse=True)
    thresholds = np.concatenate([[-np.inf], (levels[:-1] + levels[1:]) / 2, [np.inf]])
    gain = np.bincount(level, np.where(genuine, -1, 1))  # of raising the threshold above a level
    return float(thresholds[np.argmax(np.concatenate([[0], np.cumsum(gain)]))])


def fold_acceptance(scores: Floats, genuine: NDArray[np.bool_], folds: Ints, far: float) -> FoldAccuracy | None:
    """Return the true accept rate (TAR) of each fold at the threshold with a false accept rate on all others.

    The threshold is the lowest one at which no more than a share `far` of the impostor pairs of the other folds is
    accepted; a score is accepted if it is above. With LFW's 2,700 others and 0.001, two false accepts are allowed.

    Args:
        scores: (N,).
        genuine: (N,).
        folds: number of each pair's fold, (N,).
        far: in [0, 1).

    Returns:
        The mean over the folds that have genuine pairs, in place of the accuracy; None if they are fewer than two, or
        a fold's others have no impostor pair.

    Source: `calculate_val` of Sandberg's facenet, whose rates the field reports, interpolates thresholds between steps.
    """
    rates: list[float] = []
    for fold in np.unique(folds[genuine]):
        others = np.sort(scores[(folds != fold) & ~genuine])[::-1]
        if not others.size:
            return None
        threshold = others[int(far * len(others) * (1 + RESOLUTION))]
        rates.append(float(np.mean(scores[(folds == fold) & genuine] > threshold)))
    if len(rates) < 2:
        return None
    return FoldAccuracy(len(rates), float(np.mean(rates)), float(np.std(rates, ddof=1) / np.sqrt(len(rates))))


def listed_photos(pairs: Sequence[Listed], names: Sequence[str]) -> set[str]:
    """Return those photos that a list mentions, by the names that it may use for them.

    Args:
        pairs: of the list.
        names: of all photos, each PERSON/PHOTO.

    Raises:
        DataError: if a name of the list fits several photos.
    """
    photos = _Photos(names)
    rows = {
        photos.row(Path("dataset.pairs"), pair.line, name) for pair in pairs for name in (pair.probe, pair.reference)
    }
    return {names[row] for row in rows if row is not None}


def listed_people(pairs: Sequence[Listed]) -> set[str]:
    """Return the people of a list whose photos are called PERSON/PHOTO."""
    return {name.split("/")[0] for pair in pairs for name in (pair.probe, pair.reference)}


def write_pairs(path: Path, pairs: Sequence[Listed]) -> None:
    """Write a list whose photos are called PERSON/PHOTO as CSV, which `score_list` reads; without pairs, its header.

    Raises:
        DataError: if it can't be written.
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
        DataError: if the file is none.
    """
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
                f"{path}: has no column {name}; a list of pairs has the header probe,reference (and fold), or is a "
                f"pairs.txt; this one has {joined_names(table.columns)}"
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
            f"{path}: line {head}: {shown(first)} is not FOLDS PAIRS, nor PAIRS: the number of folds, and of pairs of "
            "each kind in a fold, 1 or more"
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
                raise DataError(f"{path}: line {number}: {shown(line)} is not NAME 1 2, nor NAME 1 NAME 2")
        fold = str(len(listed) // (2 * pairs_per_kind)) if folds > 1 else ""
        names = f"{pair[0]}/{int(pair[1]):04}", f"{pair[2]}/{int(pair[3]):04}"
        listed.append(Listed(number, *names, fold, pair[0] == pair[2]))
    if len(listed) != 2 * folds * pairs_per_kind:
        raise DataError(
            f"{path}: has {len(listed)} pairs, and its first line promises {folds} x 2 x {pairs_per_kind}; get the "
            "file anew"
        )
    return listed


def _is_number(word: str) -> bool:
    return re.fullmatch("[0-9]{1,9}", word) is not None


class _Photos:
    """The rows of a table by the names that a list may use."""

    def __init__(self, names: Sequence[str]) -> None:
        """Number the photos by their name; NAME/NAME_0001.jpg, as LFW has it, and NAME/1.jpg also by NAME/0001."""
        self._names = names
        self._rows = {name: row for row, name in enumerate(self._names)}
        self._by_number: dict[str, list[int]] = {}
        for row, name in enumerate(self._names):
            photo = PurePosixPath(name)
            person = photo.parent.name
            number = photo.stem.removeprefix(f"{person}_")
            if _is_number(number):
                self._by_number.setdefault(f"{person}/{int(number):04}", []).append(row)

    def row(self, path: Path, line: int, name: str) -> int | None:
        """Return the row of a photo; None: it is not there.

        Raises:
            DataError: if the name fits several photos.
        """
        if name in self._rows:
            return self._rows[name]
        rows = self._by_number.get(name, [])
        if len(rows) > 1:
            raise DataError(
                f"{path}: line {line}: {shown(name)} may be {joined_names(self._names[row] for row in rows)}; keep one "
                "of these photos"
            )
        return rows[0] if rows else None

    def like(self, name: str) -> str:
        """Say what photos there are, such as one whose name differs only in its spelling."""
        key = spelling(name)
        alike = next((found for found in self._names if spelling(found) == key), None)
        if alike is not None:
            return f"(but {shown_apart(alike, name)[0]} is; write it alike)"
        return f"(such as {shown(next(iter(self._names), 'none'))})"


def _find_rows(
    path: Path, listed: Sequence[Listed], probes: Faces, references: Faces, skip_missing: bool
) -> list[tuple[int, int] | None]:
    """The rows of the photos of each pair; None: one is not there, and is to be skipped."""
    sides = _Photos(probes.face_ids.tolist()), _Photos(references.face_ids.tolist())
    found: list[tuple[int, int] | None] = []
    for pair in listed:
        one, other = sides[0].row(path, pair.line, pair.probe), sides[1].row(path, pair.line, pair.reference)
        if one is not None and other is not None:
            found.append((one, other))
            continue
        if not skip_missing:
            photos, name = (sides[0], pair.probe) if one is None else (sides[1], pair.reference)
            raise DataError(
                f"{path}: line {pair.line}: {shown(name)} is not among the photos {photos.like(name)}; correct the "
                "name, or leave such pairs out by --missing skip"
            )
        found.append(None)
    if listed and not any(found):
        raise DataError(
            f"{path}: line {listed[0].line}: {shown(listed[0].probe)} or {shown(listed[0].reference)} is not among the "
            f"photos, nor are both of any other of its {len(listed)} pairs; give the names of the column face_id"
        )
    return found
