"""Scores -> bin numbers that rise with the score. Scores in one bin count as ties."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Bins(Protocol):
    """Sorts scores into `size` bins."""

    exact: bool
    """Whether the bins keep the order of genuine and impostor scores, so that only equal scores tie."""

    @property
    def size(self) -> int: ...

    def __call__(self, scores: Floats) -> Ints:
        """Return the bin of each score, from 0 to `size` - 1: (N,) to (N,)."""
        ...


@dataclass(frozen=True, eq=False)
class Ranks:
    """A bin for each genuine score and one for each gap between two, so that the ROC curve is exact."""

    levels: Floats
    """The distinct genuine scores, rising, (L,)."""
    exact = True

    @property
    def size(self) -> int:
        return 2 * len(self.levels) + 1

    def __call__(self, scores: Floats) -> Ints:
        """Return odd bins for levels and even bins for gaps."""
        lower_levels = np.searchsorted(self.levels, scores)
        return 2 * lower_levels + (self.levels[np.minimum(lower_levels, len(self.levels) - 1)] == scores)


@dataclass(frozen=True)
class Grid:
    """Equal bins of [-1, 1], the range of cosines; scores outside it count in the first or last bin."""

    size: int
    exact = False

    @property
    def edges(self) -> Floats:
        """The lower edge of each bin, (`size`,)."""
        return np.arange(self.size, dtype=np.float64) * (2 / self.size) - np.float64(1)

    def __call__(self, scores: Floats) -> Ints:
        bins = ((np.clip(scores, -1, 1) + 1) * (self.size / 2)).astype(np.int64)
        return np.minimum(bins, self.size - 1, out=bins)
