"""Gallery, probes -> the number of people who score as high as each mate, block by block, for any number of people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftlgan.progress import progress
from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.identification.gallery import Gallery, Rows

PROBES_PER_PASS = 1024
MANY_SCORES = 2**30
"""The number of scores from which a progress bar is shown: it takes a few seconds."""


@dataclass(frozen=True, eq=False)
class Probes:
    """Probes and their mates in the gallery."""

    embeddings: NDArray[np.float32]
    """The embeddings, of unit length, (S, D)."""
    mate: Rows
    """The number of each probe's person in the gallery, (S,); -1 if that person is not enrolled."""
    score: Floats
    """The score of the mate, (S,); NaN without a mate."""


def count_ahead(gallery: Gallery, probes: Probes, people: Rows, non_mated: NDArray[np.bool_]) -> tuple[Ints, Floats]:
    """Count the people who score at least as high as each mate, a few thousand probes and photos at a time.

    Args:
        gallery: the enrolled people.
        probes: the probes to search for.
        people: the numbers of the people to compare with, (K,). A mate is not compared with itself.
        non_mated: which searches are non-mated, (S,); they have no mate among `people`.

    Returns:
        The number of people who score at least as high as the mate, (S,), 0 without a mate; and the highest score in
        each non-mated search, (S,), -inf in the others.
    """
    found = _Found(gallery, probes, non_mated)
    groups = gallery.blocks(people)
    place = np.full(len(gallery.people) + 1, -1)  # the last place, index -1, is for probes without a mate
    shown = len(non_mated) * int(gallery.counts[people].sum()) >= MANY_SCORES
    for group in progress(groups, "search", unit="block", shown=shown):
        block = gallery.block(group)
        place[group] = np.arange(len(group))
        for start in range(0, len(non_mated), PROBES_PER_PASS):
            some = np.arange(start, min(start + PROBES_PER_PASS, len(non_mated)))
            scores = block.scores(probes.embeddings[some])
            column = place[probes.mate[some]]
            mates = np.flatnonzero(column >= 0)
            scores[mates, column[mates]] = -np.inf
            found.add(some, group, scores)
        place[group] = -1
    return found.ahead, found.top


class _Found:
    """The counts and highest scores of all blocks so far."""

    def __init__(self, gallery: Gallery, probes: Probes, non_mated: NDArray[np.bool_]) -> None:
        self.gallery, self.probes, self.non_mated = gallery, probes, non_mated
        self.ahead, self.top = np.zeros(len(non_mated), np.int64), np.full(len(non_mated), -np.inf)

    def add(self, some: Rows, group: Rows, scores: NDArray[np.float32]) -> None:
        """Add the scores (N, K) of the probes `some` and the people `group`."""
        highest, error = scores.max(axis=1), self.gallery.error
        mate = self.probes.score[some]
        rows = np.flatnonzero(highest >= mate - error)
        if rows.size:
            self._count(some[rows], group, scores[rows])
        rows = np.flatnonzero(self.non_mated[some] & (highest >= self.top[some] - error))
        if rows.size:
            self._raise_top(some[rows], group, scores[rows], highest[rows])

    def _count(self, some: Rows, group: Rows, scores: NDArray[np.float32]) -> None:
        mate, error = self.probes.score[some], self.gallery.error
        above = scores >= (mate + error).astype(np.float32)[:, None]
        unclear = (scores >= (mate - error).astype(np.float32)[:, None]) & ~above
        self.ahead[some] += np.count_nonzero(above, axis=1)
        row, column = np.nonzero(unclear)
        as_high = self._exact(some[row], group[column]) >= mate[row]
        np.add.at(self.ahead, some[row[as_high]], 1)

    def _raise_top(self, some: Rows, group: Rows, scores: NDArray[np.float32], highest: NDArray[np.float32]) -> None:
        error = self.gallery.error
        lowest = np.maximum(highest - 2 * error, self.top[some] - error).astype(np.float32)
        row, column = np.nonzero(scores >= lowest[:, None])
        np.maximum.at(self.top, some[row], self._exact(some[row], group[column]))

    def _exact(self, some: Rows, people: Rows) -> Floats:
        return self.gallery.score(self.probes.embeddings, some, people)
