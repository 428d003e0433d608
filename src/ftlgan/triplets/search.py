"""Search for the faces of others that are the nearest of those farther from an anchor than its positive.

A matrix product of float32 compares many anchors with many faces at once, and its last digits depend on the processor
and on how the work is divided. So it only sorts out who may be among the nearest; their distances are then computed in
float64, face by face. The result does not depend on how many anchors are compared at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

UNKNOWN = -1
"""In place of the number of a person, where nobody knows who it is."""
SAMPLED = 1024
"""So many of an anchor's scores are sorted, to guess how low the scores of its nearest may lie."""
BYTES_PER_PRODUCT = 16 * 2**20
"""The scores of anchors that are compared at once take so many bytes: what a processor's cache holds."""


@dataclass(frozen=True)
class Others:
    """The faces with which anchors are compared."""

    rows: np.ndarray
    """int64 (M,), ascending: their rows in `embeddings`."""
    who: np.ndarray
    """int64 (M,): the number of each one's person, or `UNKNOWN`."""
    embeddings: np.ndarray
    """float32 (N, D), unit length, of all faces."""
    limit: float
    """A face that nobody knows is negative to a face, and has a face as negative, only from this distance on."""


@dataclass(frozen=True)
class Anchor:
    """What negatives are searched for."""

    embedding: np.ndarray
    """float32 (D,), unit length."""
    who: int
    """The number of the person, or `UNKNOWN`."""
    row: int
    """Its row among all faces; -1 if it is none of them."""


def distances(embeddings: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Return the euclidean distances from one unit embedding to others, float64 (N,): |a - b|^2 = 2 - 2ab.

    Args:
        embeddings: float32 (N, D).
        embedding: float32 (D,).
    """
    products = embeddings * embedding.astype(np.float64)  # exact: twice 24 bits are fewer than 53
    return np.sqrt(np.maximum(0, 2 - 2 * products.sum(axis=1)))


class Search:
    """The negatives of one anchor, by its scores (dot products) with the others.

    Args:
        anchor: for whom.
        others: among whom.
        scores: float32 (M,): of the anchor with each of the others, to the precision of float32.
        sample: some of the scores, evenly spaced, ascending.
    """

    def __init__(self, anchor: Anchor, others: Others, scores: np.ndarray, sample: np.ndarray) -> None:
        self.anchor, self.others, self.scores, self.sample = anchor, others, scores, sample
        # The rounding error of a float32 sum of D products of numbers whose squares sum to 1.
        self.error = np.float32(2 * (len(anchor.embedding) + 4) * 2**-24)

    def nearest_farther(self, distance: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest of the others that are farther than a distance.

        Returns:
            Rows, int64, and distances, float64, of `count` faces, or of all there are; by distance, then by row.
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
        """Return the farthest of the others: rows and distances, by distance, then by row."""
        candidates, certain = self._of_others(np.arange(len(self.scores)), np.float32(np.inf))
        scores = self.scores[candidates]
        if np.count_nonzero(certain) > count:
            candidates = candidates[scores <= np.partition(scores[certain], count)[count] + 2 * self.error]
        rows, their_distances = self._measured(candidates)
        return rows[-count:], their_distances[-count:]

    def _of_others(self, candidates: np.ndarray, nearer: np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Keep of the candidates who may be a negative, and say who certainly is one that is farther than a score."""
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
        """Return rows and distances of those candidates who are negatives, by distance, then by row."""
        rows = self.others.rows[candidates]
        measured = distances(self.others.embeddings[rows], self.anchor.embedding)
        nobody_knows = (self.others.who[candidates] == UNKNOWN) | (self.anchor.who == UNKNOWN)
        negative = ~(nobody_knows & (measured < self.others.limit))
        rows, measured = rows[negative], measured[negative]
        order = np.argsort(measured, kind="stable")
        return rows[order], measured[order]


def searches(anchors: list[Anchor], others: Others, block: int | None = None) -> Iterator[Search]:
    """Compare anchors with others, a block of them in one matrix product.

    Args:
        anchors: at least one.
        others: at least one.
        block: how many anchors at once; None: as many as suit the processor. The result is the same.

    Yields:
        A search for each anchor, to be used before the next one is asked for.
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
    """Return the dot product of two unit embeddings at a distance."""
    return 1 - distance**2 / 2
