"""The definitions of the metrics of searches, for each of several draws of people at once.

A draw that takes person i w_i times counts each search for i w_i times. Weights have shape (R, P): each row is a draw
of the P people of the searches. A row of ones counts each search once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.bootstrap import Weights
from ftlgan.verification.identification.search import Searches
from ftlgan.verification.metrics import LEAST_ERRORS

RESOLUTION = 1e-12
"""The relative tolerance for a rate written as a decimal fraction, so that 0.29 of 100 searches is 29."""


@dataclass(frozen=True)
class Threshold:
    """A threshold, and the error rates if the best candidate of a search is accepted when its score is >= it."""

    score: float
    fpir: float
    fnir: float


def identification_rates(closed: Searches, ranks: Ints, weights: Weights) -> Floats:
    """Return the share of searches whose mate has rank k or better, the CMC.

    Args:
        closed: the searches, all mated.
        ranks: the K ranks, rising, >= 1.
        weights: the draws, (R, P).

    Returns:
        The rates, (R, K); NaN in a draw without searches.

    Source: Moon & Phillips, "Computational and performance aspects of PCA-based face-recognition algorithms",
    Perception 30 (2001).
    """
    people, width = len(closed.people), len(ranks) + 1
    cell = closed.person.astype(np.int64) * width + np.searchsorted(ranks, closed.rank)
    counts = np.bincount(cell, minlength=people * width).reshape(people, width)
    found = weights.astype(np.float64) @ np.cumsum(counts, axis=1)
    with np.errstate(invalid="ignore"):
        return found[:, :-1] / found[:, -1:]


def false_negative_rates(opened: Searches, fpirs: Floats, weights: Weights) -> Floats:
    """Return FNIR at each FPIR, with thresholds for each draw.

    Args:
        opened: mated and non-mated searches.
        fpirs: the K rates, in (0, 1].
        weights: the draws, (R, P), each with mated and non-mated searches.

    Returns:
        The rates, (R, K).

    Source: Grother, Ngan & Hanaoka, NISTIR 8271 (2019), with lists of one candidate.
    """
    level = _highest_refused(opened, fpirs, weights)
    mated, first = np.flatnonzero(opened.mated), np.flatnonzero(opened.rank == 1)
    first = first[np.argsort(opened.score[first])]
    refused = np.searchsorted(opened.score[first], level, side="right")
    total = weights[:, opened.person[mated]].sum(axis=1, dtype=np.int64)[:, None]
    below = np.cumsum(weights[:, opened.person[first]], axis=1, dtype=np.int64)
    below = np.concatenate([np.zeros((len(weights), 1), np.int64), below], axis=1)
    found = below[:, -1:] - np.take_along_axis(below, refused, axis=1)
    return 1 - found / total


def threshold_at_fpir(opened: Searches, fpir: float) -> Threshold | None:
    """Return the lowest score at which FPIR is at most `fpir`; None if FPIR exceeds it even at the highest score.

    The candidates are the highest scores of non-mated searches and the scores of mates at rank 1.
    """
    once = np.ones((1, len(opened.people)), np.uint8)
    level = _highest_refused(opened, np.array([fpir]), once)[0, 0]
    others, mates = opened.score[~opened.mated], opened.score[opened.rank == 1]
    candidates = np.concatenate([others, mates])
    if not (candidates > level).any():
        return None
    score = float(candidates[candidates > level].min())
    mated = int(np.count_nonzero(opened.mated))
    return Threshold(score, float((others >= score).mean()), 1 - int(np.count_nonzero(mates >= score)) / mated)


def too_few_non_mated(searches: int, fpir: float) -> str:
    """Return why a number of non-mated searches is too small for an FPIR; empty if it is not."""
    expected = searches * fpir
    if expected >= LEAST_ERRORS * (1 - RESOLUTION):
        return ""
    return f"{searches} non-mated searches make {expected:.3g} false positives, but {LEAST_ERRORS} are needed"


def _highest_refused(opened: Searches, fpirs: Floats, weights: Weights) -> Floats:
    """Return the highest score that is too low as a threshold at each FPIR, (R, K): it gives too many positives.

    It is -inf where a draw may accept all its non-mated searches.
    """
    others = np.flatnonzero(~opened.mated)
    others = others[np.argsort(-opened.score[others])]
    falling = np.append(opened.score[others], -np.inf)
    positives = np.cumsum(weights[:, opened.person[others]], axis=1, dtype=np.int64)
    allowed = positives[:, -1:] * fpirs * (1 + RESOLUTION)
    places: list[NDArray[np.intp]] = [
        np.searchsorted(row, most, side="right") for row, most in zip(positives, allowed, strict=True)
    ]
    return falling[np.stack(places)]
