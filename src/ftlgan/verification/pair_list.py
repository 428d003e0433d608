"""A protocol that lists its pairs: CSV, or the pairs.txt of Labeled Faces in the Wild; and accuracy over its folds.

A CSV has the columns `probe` and `reference`, names of photos, and may have `fold`. A pairs.txt begins with the number
of folds and of pairs of each kind in a fold (or with the latter alone: one set, no folds); `NAME 1 4` is a pair of one
person's photos, `NAME 1 OTHER 2` of two people's.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", UMass technical report 07-49 (2007).
"""

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.pairs import Comparison, Faces, numbered

Listed = tuple[int, str, str, str]
"""Line of the file, probe, reference, and fold; empty: none."""


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


@dataclass(frozen=True)
class FoldAccuracy:
    """Share of pairs judged rightly by a threshold that was chosen on the other folds."""

    folds: int
    mean: float
    standard_error: float
    """Of the mean: standard deviation of the folds (with one degree of freedom less) by the root of their number."""


def score_list(path: Path, probes: Faces, references: Faces) -> ScoredList:
    """Score the pairs that a file lists by the cosine of their embeddings.

    Raises:
        DataError: if the file is no list of pairs, names a photo that is not there, or compares one with itself.
    """
    listed = _read(path)
    rows = [_rows_by_name(faces) for faces in (probes, references)]
    sides = np.array([[_find_row(path, line, names[k], rows[k]) for k in (0, 1)] for line, *names, _ in listed]).T
    probe, reference = probes.take(sides[0]), references.take(sides[1])
    if (same := probe.face_ids == reference.face_ids).any():
        line, name, *_ = listed[int(np.argmax(same))]
        raise DataError(f"{path}: line {line}: compares {name} with itself; remove the line")
    kept = (probe.embeddings != reference.embeddings).any(axis=1)
    probe, reference = probe.take(kept), reference.take(kept)
    folds = [fold for *_, fold in listed]
    people, (one, other) = numbered(probe.identities, reference.identities)
    genuine = one == other
    scores = np.einsum("ij,ij->i", probe.embeddings, reference.embeddings, dtype=np.float64)
    return ScoredList(
        scores=scores,
        genuine=genuine,
        folds=np.unique(folds, return_inverse=True)[1][kept] if all(folds) else None,
        comparison=Comparison(
            people, scores[genuine], scores[~genuine], one[genuine], np.stack([one[~genuine], other[~genuine]])
        ),
        copies=int(np.count_nonzero(~kept)),
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


def _read(path: Path) -> list[Listed]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not text; a list of pairs is a CSV or a pairs.txt") from None
    head = lines[0].split() if lines else []
    listed = _pairs_txt(path, lines) if head and all(word.isdigit() for word in head) else _csv(path, lines)
    if not listed:
        raise DataError(f"{path}: lists no pairs; give it a line for each, after the header probe,reference")
    return listed


def _csv(path: Path, lines: list[str]) -> list[Listed]:
    rows = csv.DictReader(lines)
    if missing := [name for name in ("probe", "reference") if name not in (rows.fieldnames or [])]:
        raise DataError(
            f"{path}: has no column {missing[0]}; a list of pairs has the header probe,reference (and fold), or is a "
            "pairs.txt"
        )
    return [(rows.line_num, row["probe"], row["reference"] or "", row.get("fold") or "") for row in rows]


def _pairs_txt(path: Path, lines: list[str]) -> list[Listed]:
    folds, pairs_per_kind = map(int, lines[0].split() if len(lines[0].split()) == 2 else ["1", lines[0]])
    listed: list[Listed] = []
    for number, line in enumerate(lines[1:]):
        match line.split():
            case [name, one, other] if one.isdigit() and other.isdigit():
                pair = (name, one, name, other)
            case [name, one, second, other] if one.isdigit() and other.isdigit():
                pair = (name, one, second, other)
            case _:
                raise DataError(f"{path}: line {number + 2}: {line[:60]!r} is not NAME 1 2, nor NAME 1 NAME 2")
        fold = str(number // (2 * pairs_per_kind)) if folds > 1 else ""
        listed.append((number + 2, f"{pair[0]}/{int(pair[1]):04}", f"{pair[2]}/{int(pair[3]):04}", fold))
    if len(listed) != 2 * folds * pairs_per_kind:
        raise DataError(
            f"{path}: has {len(listed)} pairs, and its first line promises {folds} x 2 x {pairs_per_kind}; get the file "
            "anew"
        )
    return listed


def _rows_by_name(faces: Faces) -> dict[str, int]:
    """Row of each photo by its name; of NAME/NAME_0001.jpg, as LFW has it, and NAME/1.jpg also by NAME/0001."""
    rows: dict[str, int] = {}
    for row, name in enumerate(faces.face_ids.tolist()):
        rows[name] = row
        photo = PurePosixPath(name).with_suffix("")
        person = photo.parent.name
        number = photo.name.removeprefix(f"{person}_")
        if number.isdigit():
            rows[f"{person}/{int(number):04}"] = row
    return rows


def _find_row(path: Path, line: int, name: str, rows: dict[str, int]) -> int:
    if name not in rows:
        raise DataError(f"{path}: line {line}: {name!r} is not among the photos (such as {next(iter(rows), 'none')!r})")
    return rows[name]
