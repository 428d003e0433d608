"""Search for negatives: the nearest faces of other people that are farther from an anchor than its positive.

A float32 matrix product compares many anchors with many faces at once. Its last digits depend on the processor and on
how the work is divided, so it only selects candidates. Their distances are then computed in float64, face by face. The
result does not depend on the number of anchors that are compared at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

UNKNOWN = -1
"""The number of an unknown person."""
SAMPLED = 1024
"""The number of scores of an anchor that are sorted to guess a lower bound of the scores of its nearest faces."""
BYTES_PER_PRODUCT = 16 * 2**20
"""The size of the scores of a block of anchors, bytes, to fit in a processor's cache."""


@dataclass(frozen=True)
class Others:
    """The faces with which anchors are compared."""

    rows: np.ndarray
    """int64 (M,), ascending: their rows in `embeddings`."""
    who: np.ndarray
    """int64 (M,): the number of each face's person, or `UNKNOWN`."""
    embeddings: np.ndarray
    """float32 (N, D), unit length, of all faces."""
    limit: float
    """The minimum distance of negatives if one of the two faces is unknown."""


@dataclass(frozen=True)
class Anchor:
    """A face for which to find negatives."""

    embedding: np.ndarray
    """float32 (D,), unit length."""
    who: int
    """The number of the person, or `UNKNOWN`."""
    row: int
    """Its row among all faces, or -1 if it is not there."""


def distances(embeddings: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances from one unit embedding to others, float64 (N,): |a - b|^2 = 2 - 2ab.

    Args:
        embeddings: float32 (N, D).
        embedding: float32 (D,).
    """
    products = embeddings * embedding.astype(np.float64)  # exact: 2 * 24 bits fit in 53
    return np.sqrt(np.maximum(0, 2 - 2 * products.sum(axis=1)))


class Search:
    """A search for the negatives of one anchor, by its scores (dot products) with other faces.

    Args:
        anchor: the anchor.
        others: the other faces.
        scores: float32 (M,): the scores of the anchor with each of the others.
        sample: evenly spaced scores, sorted in ascending order.
    """

    def __init__(self, anchor: Anchor, others: Others, scores: np.ndarray, sample: np.ndarray) -> None:
        self.anchor, self.others, self.scores, self.sample = anchor, others, scores, sample
        # A bound of the rounding error of a float32 dot product of two unit vectors.
        self.error = np.float32(2 * (len(anchor.embedding) + 4) * 2**-24)

    def nearest_farther(self, distance: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest negatives beyond a distance.

        Returns:
            Rows, int64, and distances, float64, of at most `count` faces, sorted by distance, then by row.
        """
        nearer = np.float32(_score(distance))
        if self.anchor.who == UNKNOWN and np.isfinite(self.others.limit):
            nearer = min(nearer, np.float32(_score(self.others.limit)))
        found = np.searchsorted(self.sample, nearer)
        step = 2 * count * len(self.sample) // len(self.scores) + 4
        while True:
            low = self.sample[found - step] if found > step else np.float32(-np.inf)
            candidates = np.flatnonzero((self.scores > low) & (self.scores <= nearer + self.error))
            candidates, certain = self._of_others(candidates, nearer)
            scores = self.scores[candidates]
            if np.count_nonzero(certain) >= count:
                last = -np.partition(-scores[certain], count - 1)[count - 1] - 2 * self.error
                if low < last:
                    candidates = candidates[scores >= last]
                    break
            if low == -np.inf:
                break
            step *= 4
        rows, their_distances = self._measured(candidates)
        farther = their_distances > distance
        return rows[farther][:count], their_distances[farther][:count]

    def farthest(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and distances of the farthest negatives, sorted by distance, then by row."""
        candidates, certain = self._of_others(np.arange(len(self.scores)), np.float32(np.inf))
        scores = self.scores[candidates]
        if np.count_nonzero(certain) > count:
            candidates = candidates[scores <= np.partition(scores[certain], count)[count] + 2 * self.error]
        rows, their_distances = self._measured(candidates)
        return rows[-count:], their_distances[-count:]

    def _of_others(self, candidates: np.ndarray, nearer: np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Return the candidates that may be negatives with a score below `nearer`, and which of them certainly are."""
        their = self.others.who[candidates]
        stranger = (their != self.anchor.who) if self.anchor.who != UNKNOWN else np.ones(len(their), bool)
        stranger &= self.others.rows[candidates] != self.anchor.row
        candidates, their = candidates[stranger], their[stranger]
        scores, highest = self.scores[candidates], np.full(len(candidates), nearer, np.float32)
        if np.isfinite(self.others.limit):
            limited = np.minimum(nearer, np.float32(_score(self.others.limit)))
            highest[(their == UNKNOWN) | (self.anchor.who == UNKNOWN)] = limited
        possible = scores <= highest + self.error
        return candidates[possible], (scores < highest - self.error)[possible]

    def _measured(self, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and distances of the candidates that are negatives, sorted by distance, then by row."""
        rows = self.others.rows[candidates]
        measured = distances(self.others.embeddings[rows], self.anchor.embedding)
        nobody_knows = (self.others.who[candidates] == UNKNOWN) | (self.anchor.who == UNKNOWN)
        negative = ~(nobody_knows & (measured < self.others.limit))
        rows, measured = rows[negative], measured[negative]
        order = np.argsort(measured, kind="stable")
        return rows[order], measured[order]


def searches(anchors: list[Anchor], others: Others, block: int | None = None) -> Iterator[Search]:
    """Compare anchors with others, by one matrix product per block of anchors.

    Args:
        anchors: at least one anchor.
        others: at least one face.
        block: number of anchors per block; None to suit the processor. The result does not depend on it.

    Yields:
        A search for each anchor. Use it before you take the next one.
    """
    block = block or max(1, BYTES_PER_PRODUCT // (4 * len(others.rows)))
    compared = others.embeddings if len(others.rows) == len(others.embeddings) else others.embeddings[others.rows]
    every = -(-len(compared) // SAMPLED)
    for start in range(0, len(anchors), block):
        some = anchors[start : start + block]
        scores = np.stack([anchor.embedding for anchor in some]) @ compared.T
        samples = np.sort(scores[:, ::every], axis=1)
        for anchor, own, sample in zip(some, scores, samples, strict=True):
            yield Search(anchor, others, own, sample)


def _score(distance: float) -> float:
    """Return the dot product of two unit embeddings with this distance."""
    return 1 - distance**2 / 2
