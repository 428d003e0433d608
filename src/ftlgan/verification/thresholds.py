"""The score thresholds at which a system would run.

A pair is accepted if its score is >= the threshold. So with a rising threshold FMR falls and FNMR rises, in steps, and
only the scores themselves are candidates. The threshold at an FMR is the lowest score at which FMR is at most that
rate. The threshold at the EER is the lowest score at which FMR is at most FNMR. If scores are counted in bins, the
candidates are the lower edges of the filled bins: the rates at such a threshold are exact, and the threshold is at most
one bin off.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ftlgan.verification.binning import Floats, Ints


@dataclass(frozen=True, eq=False)
class Levels:
    """The candidate thresholds of one kind of score, genuine or impostor, and the number of scores below each."""

    candidates: Floats
    """The candidate thresholds, rising, (K,)."""
    below: Ints
    """The number of scores less than each candidate, and the number of all scores, (K + 1,)."""

    @classmethod
    def from_scores(cls, scores: Floats) -> "Levels":
        """Take each distinct score as a candidate."""
        rising = np.sort(scores)
        first = np.flatnonzero(np.diff(rising, prepend=-np.inf))  # where each distinct score begins
        return cls(rising[first], np.append(first, len(scores)))

    @classmethod
    def from_bins(cls, edges: Floats, counts: Ints) -> "Levels":
        """Take the lower edge of each filled bin as a candidate, given edges (B,) and counts (B,)."""
        filled = counts > 0
        return cls(edges[filled], np.concatenate([[0], np.cumsum(counts[filled])]))

    def share_below(self, threshold: float) -> float:
        """Return the share of scores < threshold; the threshold is a candidate of either kind."""
        return float(self.below[np.searchsorted(self.candidates, threshold)] / self.below[-1])

    def share_from(self, threshold: float) -> float:
        """Return the share of scores >= threshold; the threshold is a candidate of either kind."""
        return float((self.below[-1] - self.below[np.searchsorted(self.candidates, threshold)]) / self.below[-1])


@dataclass(frozen=True)
class Threshold:
    """A threshold, and the error rates if every score >= it is accepted."""

    score: float
    fmr: float
    fnmr: float


def threshold_at_fmr(genuine: Levels, impostor: Levels, fmr: float) -> Threshold | None:
    """Return the lowest score at which FMR is at most `fmr`; None if FMR exceeds it even at the highest score."""
    return _lowest(genuine, impostor, lambda score: impostor.share_from(score) <= fmr)


def threshold_at_eer(genuine: Levels, impostor: Levels) -> Threshold | None:
    """Return the lowest score at which FMR is at most FNMR; None if FMR exceeds it even at the highest score."""
    return _lowest(genuine, impostor, lambda score: impostor.share_from(score) <= genuine.share_below(score))


def _lowest(genuine: Levels, impostor: Levels, suffices: Callable[[float], bool]) -> Threshold | None:
    """Return the lowest candidate that suffices, given that all higher ones do too; None if none does."""
    found = [
        float(levels.candidates[k])
        for levels in (genuine, impostor)
        if (k := bisect_left(levels.candidates, True, key=lambda score: suffices(float(score))))
        < len(levels.candidates)
    ]
    if not found:
        return None
    score = min(found)
    return Threshold(score, impostor.share_from(score), genuine.share_below(score))
