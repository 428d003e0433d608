"""References -> enrolled people, and the score of a probe and a person.

The score depends on how a person's photos are fused:

- mean: the cosine with their mean embedding, normalized to unit length (a single photo is used unchanged);
- max: the highest cosine with any of them.

Matrix products in single precision round differently for different block sizes. So block scores are exact only up to a
known error. Where that error could change a rank, `Gallery.score` computes the score again in double precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats
from ftlgan.verification.pairs import UNIT_TOLERANCE, Faces

PHOTOS_PER_BLOCK = 4096
NUMBERS_PER_PASS = 2**22
"""About 100 MB in double precision."""

Fusion = Literal["mean", "max"]
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)

Rows = NDArray[np.intp]
Numbers = TypeVar("Numbers", NDArray[np.float32], NDArray[np.float64])


@dataclass(frozen=True, eq=False)
class Block:
    """Some of the people in a gallery."""

    embeddings: NDArray[np.float32]
    """The embeddings in layers: the first photo of each person, then the second photo of each who has two, and so on;
    or one layer of means."""
    layers: tuple[int, ...]
    """The number of people in each layer. People are sorted by their number of photos, most first."""

    def scores(self, probes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score probes (N, D) against the people, (N, people), with an error of at most `Gallery.error`."""
        scores = probes @ self.embeddings.T
        return _fold(np.maximum, scores.T, self.layers).T


class Gallery:
    """Enrolled people and the photos of each."""

    def __init__(self, faces: Faces, fusion: Fusion) -> None:
        """Sort the photos by person.

        Args:
            faces: the references. Their embeddings may be a memory map, as they are read a block at a time.
            fusion: how the photos of a person give one score.

        Raises:
            DataError: if there are no references.
        """
        if not len(faces.identities):
            raise DataError("the gallery is empty; add a photo of each person to search for")
        self.faces, self.fusion = faces, fusion
        self.people, person = np.unique(faces.identities, return_inverse=True)
        self.photos: Rows = np.argsort(person, kind="stable")
        """The rows of `faces`, sorted by person, (N,)."""
        self.counts: Rows = np.bincount(person)
        """The number of photos of each person, (P,)."""
        self.starts: Rows = np.cumsum(self.counts) - self.counts
        """The position in `photos` at which each person begins, (P,)."""

    @property
    def error(self) -> float:
        """The largest difference between `Block.scores` and `score`.

        Source: a sum of D products in any order has at most D rounding errors; Higham, "Accuracy and stability of
        numerical algorithms" (2002), section 3.1. The mean and the threshold that it is compared with add more.
        """
        dimension = self.faces.embeddings.shape[1]
        return (dimension + 4) * 2.0**-24 * (1 + UNIT_TOLERANCE) ** 2 * 1.001

    def blocks(self, people: Rows) -> list[Rows]:
        """Divide people, given by number (K,), into groups of a few thousand photos, people with most photos first."""
        rank = np.argsort(-self.counts[people], kind="stable")
        number = np.cumsum(self.counts[people[rank]]) // PHOTOS_PER_BLOCK
        return np.split(people[rank], np.flatnonzero(np.diff(number)) + 1) if len(people) else []

    def block(self, people: Rows) -> Block:
        """Read the photos of one group that `blocks` returned."""
        counts = self.counts[people]
        layers = tuple(int(np.count_nonzero(counts > k)) for k in range(counts[0]))
        rows = np.concatenate([self.photos[self.starts[people[:size]] + k] for k, size in enumerate(layers)])
        embeddings = self.faces.embeddings[rows]
        if self.fusion == "max" or len(layers) == 1:
            return Block(embeddings, layers)
        total = _fold(np.add, embeddings.astype(np.float64), layers)
        return Block((total / _lengths(total, counts)[:, None]).astype(np.float32), (len(people),))

    def score(self, probes: NDArray[np.float32], some: Rows, people: Rows, own: Rows | None = None) -> Floats:
        """Score pairs of a probe and a person in double precision; a score does not depend on the other pairs.

        Args:
            probes: the embeddings, (S, D).
            some: the row of each pair's probe, (N,).
            people: the number of each pair's person, (N,).
            own: the row of the probe's own photo among the references, to leave out, (N,); -1 or None if it is not
                among them.

        Returns:
            The scores, (N,); NaN where no photo of the person is left.
        """
        scores = np.full(len(some), np.nan)
        for part in self._passes(people):
            counts = self.counts[people[part]]
            pair = np.repeat(np.arange(len(part)), counts)
            within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
            photos = self.photos[self.starts[people[part]][pair] + within]
            if own is not None:
                left = photos != own[part][pair]
                photos, pair = photos[left], pair[left]
            filled, begin = np.unique(pair, return_index=True)
            if filled.size:
                references = self.faces.embeddings[photos].astype(np.float64)
                scores[part[filled]] = self._fused(probes[some[part]].astype(np.float64), references, pair, begin)
        return scores

    def _fused(self, probes: Floats, references: Floats, pair: Rows, begin: Rows) -> Floats:
        if self.fusion == "max":
            return np.maximum.reduceat(np.einsum("ij,ij->i", probes[pair], references), begin)
        total = np.add.reduceat(references, begin, axis=0)
        counts = np.diff(begin, append=len(pair))
        return np.einsum("ij,ij->i", probes[pair[begin]], total) / _lengths(total, counts)

    def _passes(self, people: Rows) -> Iterator[Rows]:
        """Yield the numbers of the pairs in each pass, as many as fit in memory."""
        numbers = np.cumsum(self.counts[people] * self.faces.embeddings.shape[1]) // NUMBERS_PER_PASS
        yield from np.split(np.arange(len(people)), np.flatnonzero(np.diff(numbers)) + 1)


def _fold(ufunc: np.ufunc, values: Numbers, layers: tuple[int, ...]) -> Numbers:
    """Fold all layers into the first with a ufunc, in place: (photos, K) to (people, K)."""
    folded, start = values[: layers[0]], layers[0]
    for size in layers[1:]:
        ufunc(folded[:size], values[start : start + size], out=folded[:size])
        start += size
    return folded


def _lengths(total: Floats, counts: Rows) -> Floats:
    """Return the divisors (N,) that normalize sums of embeddings (N, D); a sum of 0 stays 0, and matches nobody."""
    length = np.sqrt(np.einsum("ij,ij->i", total, total))
    return np.where(counts > 1, np.maximum(length, np.finfo(np.float64).tiny), 1)
