"""The scores of the pairs in a list, and the accuracy and true accept rate over its folds.

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
from ftlgan.verification.pair_list import Listed, PhotoNames, read_pairs, repeated
from ftlgan.verification.pairs import Comparison, Faces, check_same_people, numbered
from ftlgan.verification.text_files import shown

FAR = 1e-3
"""The false accept rate at which papers report the true accept rate on such lists."""
RATES = ("accuracy", f"tar_at_far_{FAR:g}")
"""The metrics that are means over folds."""


@dataclass(frozen=True, eq=False)
class ScoredList:
    """The scored pairs of a list."""

    scores: Floats
    """The similarity of each pair, (N,)."""
    genuine: NDArray[np.bool_]
    """Whether both photos show one person, (N,)."""
    folds: Ints | None
    """The number of each pair's fold, (N,); None without folds."""
    comparison: Comparison
    copies: int
    """The number of pairs left out because the two photos are byte-identical."""
    missing: int
    """The number of pairs left out because a photo is not in the table."""
    repeated: int
    """The number of pairs that the list has again, in either order. They are scored each time."""


@dataclass(frozen=True)
class FoldRate:
    """A rate of the pairs of each fold, at a threshold that was chosen on the other folds: the mean over the folds."""

    folds: int
    mean: float
    standard_error: float
    """The sample standard deviation over folds (n - 1) divided by the square root of their number."""


def score_list(path: Path, probes: Faces, references: Faces, skip_missing: bool = False) -> ScoredList:
    """Score the pairs that a file lists by the cosine of their embeddings.

    Args:
        path: the list of pairs.
        probes: the photos on one side.
        references: the photos on the other side, possibly the same.
        skip_missing: leave out, and count, pairs whose photo is missing.

    Raises:
        DataError: if the file is not a list of pairs, names a missing photo, compares a photo with itself, or
            contradicts the identities; or if neither list nor identities tell whether a pair is genuine.
    """
    every = read_pairs(path)
    check_same_people(probes, references)
    if probes.anonymous and (unknown := next((pair for pair in every if pair.genuine is None), None)):
        raise DataError(
            f"{path}: line {unknown.line}: is this pair genuine? The table has no column identity; add one, or add a "
            "column genuine of 1 and 0 to the list"
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
        repeated=repeated(zip(probe.face_ids.tolist(), reference.face_ids.tolist(), strict=True)),
    )


def _check_labels(path: Path, listed: Sequence[Listed], probes: Faces, references: Faces) -> None:
    """Refuse a pair that is genuine in the list and not in the table, or the other way round."""
    for pair, one, other in zip(listed, probes.identities.tolist(), references.identities.tolist(), strict=True):
        if pair.genuine is not None and pair.genuine != (one == other):
            raise DataError(
                f"{path}: line {pair.line}: {shown(pair.probe)} and {shown(pair.reference)} are "
                f"{'one person' if pair.genuine else 'two people'} in the list, but {shown(one)} and {shown(other)} in "
                "the table; correct one of the two"
            )


def fold_rates(listed: ScoredList) -> dict[str, FoldRate]:
    """Return the rates of `RATES` that the list has: none if no threshold can be chosen on other folds.

    Args:
        listed: the scored list.
    """
    if listed.folds is None or len(np.unique(listed.folds)) < 2:
        return {}
    pairs = listed.scores, listed.genuine, listed.folds
    rates = dict(zip(RATES, (fold_accuracy(*pairs), fold_acceptance(*pairs, FAR)), strict=True))
    return {name: rate for name, rate in rates.items() if rate}


def fold_accuracy(scores: Floats, genuine: NDArray[np.bool_], folds: Ints) -> FoldRate | None:
    """Judge each fold at the threshold with the best accuracy on all others, as the protocol of LFW does.

    The threshold lies halfway between two neighboring scores. If several are equally good, the lowest is used.

    Args:
        scores: the similarity of each pair, (N,).
        genuine: whether each pair is genuine, (N,).
        folds: the number of each pair's fold, (N,), with at least two different ones.

    Returns:
        None if the others of a fold have no genuine or no impostor pair, so that no threshold can be chosen on them.
    """
    if any(len(np.unique(genuine[folds != fold])) < 2 for fold in np.unique(folds)):
        return None
    accuracies = [
        np.mean((scores[held] >= _best_threshold(scores[~held], genuine[~held])) == genuine[held])
        for held in (folds == fold for fold in np.unique(folds))
    ]
    count = len(accuracies)
    return FoldRate(count, float(np.mean(accuracies)), float(np.std(accuracies, ddof=1) / np.sqrt(count)))


def _best_threshold(scores: Floats, genuine: NDArray[np.bool_]) -> float:
    levels, level = np.unique(scores, return_inverse=True)
    thresholds = np.concatenate([[-np.inf], (levels[:-1] + levels[1:]) / 2, [np.inf]])
    gain = np.bincount(level, np.where(genuine, -1, 1))  # more correct pairs if the threshold rises above a level
    return float(thresholds[np.argmax(np.concatenate([[0], np.cumsum(gain)]))])


def fold_acceptance(scores: Floats, genuine: NDArray[np.bool_], folds: Ints, far: float) -> FoldRate | None:
    """Return the true accept rate (TAR) over folds, each at the threshold with a false accept rate on all others.

    The threshold is the lowest one that accepts at most a share `far` of the impostor pairs of the other folds. Scores
    above it are accepted. On LFW, where the other folds have 2,700 impostor pairs, 0.001 allows two false accepts.

    Args:
        scores: the similarity of each pair, (N,).
        genuine: whether each pair is genuine, (N,).
        folds: the number of each pair's fold, (N,).
        far: the false accept rate, in [0, 1).

    Returns:
        The TAR as the mean over the folds that have genuine pairs; None if fewer than two have any, or if the others
        of a fold have no impostor pair.

    Source: `calculate_val` of Sandberg's facenet, which is widely reported. It interpolates between thresholds.
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
    return FoldRate(len(rates), float(np.mean(rates)), float(np.std(rates, ddof=1) / np.sqrt(len(rates))))


def _find_rows(
    path: Path, listed: Sequence[Listed], probes: Faces, references: Faces, skip_missing: bool
) -> list[tuple[int, int] | None]:
    """Return the rows of the two photos of each pair; None for a pair to skip, because a photo is missing."""
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
                "name, or leave such pairs out with --missing skip"
            )
        found.append(None)
    if listed and not any(found):
        raise DataError(
            f"{path}: line {listed[0].line}: {shown(listed[0].probe)} or {shown(listed[0].reference)} is not among the "
            f"photos, and so for all {len(listed)} pairs; use the names in the column face_id"
        )
    return found
