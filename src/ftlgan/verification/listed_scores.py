"""The scores of the pairs that a list names, and accuracy and true accept rate over its folds.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", UMass technical report 07-49 (2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.metrics import RESOLUTION
from ftlgan.verification.pair_list import Listed, PhotoNames, read_pairs
from ftlgan.verification.pairs import Comparison, Faces, check_same_people, numbered
from ftlgan.verification.text_files import shown


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


def _find_rows(
    path: Path, listed: Sequence[Listed], probes: Faces, references: Faces, skip_missing: bool
) -> list[tuple[int, int] | None]:
    """The rows of the photos of each pair; None: one is not there, and is to be skipped."""
    sides = PhotoNames(probes.face_ids.tolist()), PhotoNames(references.face_ids.tolist())
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
