"""References -> people who are enrolled, and the score of a probe and a person.

The score is, by fusion of a person's photos,

- mean: the cosine with their mean embedding, divided by its length (one photo is taken as it is);
- max: the highest of the cosines with each of them.

A product of matrices in single precision rounds otherwise in blocks of another size. So it gives scores up to a known
error only, and whatever that leaves open is scored again in double precision, by `Gallery.score`.
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
"""Some 100 MB in double precision."""

Fusion = Literal["mean", "max"]
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)

Rows = NDArray[np.intp]
Numbers = TypeVar("Numbers", NDArray[np.float32], NDArray[np.float64])


@dataclass(frozen=True, eq=False)
class Block:
    """Some of the people of a gallery."""

    embeddings: NDArray[np.float32]
    """The embeddings of photos in layers: the first of each person, the second of each who has two, ...; or means."""
    layers: tuple[int, ...]
    """How many people are in each layer: those that come first."""

    def scores(self, probes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score probes (N, D) and people: (N, people), up to `Gallery.error`."""
        scores = probes @ self.embeddings.T
        return _fold(np.maximum, scores.T, self.layers).T


class Gallery:
    """People, by the photos of each."""

    def __init__(self, faces: Faces, fusion: Fusion) -> None:
        """Sort the photos by person.

        Args:
            faces: the references. Their embeddings may be a memory map: they are read a block at a time.
            fusion: how the photos of a person become one score.

        Raises:
            DataError: if there are none.
        """
        if not len(faces.identities):
            raise DataError("the gallery is empty; give it a photo of each person who is searched for")
        self.faces, self.fusion = faces, fusion
        self.people, person = np.unique(faces.identities, return_inverse=True)
        self.photos: Rows = np.argsort(person, kind="stable")
        """Rows of `faces`, person by person, (N,)."""
        self.counts: Rows = np.bincount(person)
        """How many photos each person has, (P,)."""
        self.starts: Rows = np.cumsum(self.counts) - self.counts
        """Where those of each person begin in `photos`, (P,)."""

    @property
    def error(self) -> float:
        """How far a score of `Block.scores` is from that of `score` at most.

        Source: a sum of D products in any order is off by D roundings at most; Higham, "Accuracy and stability of
        numerical algorithms" (2002), section 3.1. Two more are for the mean, and for the threshold it is compared with.
        """
        dimension = self.faces.embeddings.shape[1]
        return (dimension + 4) * 2.0**-24 * (1 + UNIT_TOLERANCE) ** 2 * 1.001

    def blocks(self, people: Rows) -> list[Rows]:
        """Divide people, numbers (K,), into groups of some thousand photos, those with most photos first."""
        rank = np.argsort(-self.counts[people], kind="stable")
        number = np.cumsum(self.counts[people[rank]]) // PHOTOS_PER_BLOCK
        return np.split(people[rank], np.flatnonzero(np.diff(number)) + 1) if len(people) else []

    def block(self, people: Rows) -> Block:
        """Read the photos of one of the groups that `blocks` gives."""
        counts = self.counts[people]
        layers = tuple(int(np.count_nonzero(counts > k)) for k in range(counts[0]))
        rows = np.concatenate([self.photos[self.starts[people[:size]] + k] for k, size in enumerate(layers)])
        embeddings = self.faces.embeddings[rows]
        if self.fusion == "max" or len(layers) == 1:
            return Block(embeddings, layers)
        total = _fold(np.add, embeddings.astype(np.float64), layers)
        return Block((total / _lengths(total, counts)[:, None]).astype(np.float32), (len(people),))

    def score(self, probes: NDArray[np.float32], some: Rows, people: Rows, own: Rows | None = None) -> Floats:
        """Score a probe and a person in double precision, whatever else is scored beside them.

        Args:
            probes: embeddings, (S, D).
            some: the row of each probe, (N,).
            people: the number of each person, (N,).
            own: the row of the probe's photo among the references, which is left out, (N,); -1 or None: it is not
                there.

        Returns:
            Scores (N,); NaN where no photo of the person is left.
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
        """Numbers of the pairs of each pass, as many as fit."""
        numbers = np.cumsum(self.counts[people] * self.faces.embeddings.shape[1]) // NUMBERS_PER_PASS
        yield from np.split(np.arange(len(people)), np.flatnonzero(np.diff(numbers)) + 1)


def _fold(ufunc: np.ufunc, values: Numbers, layers: tuple[int, ...]) -> Numbers:
    """Apply a ufunc, in place, to what each layer adds to the first: (photos, K) to (people, K)."""
    folded, start = values[: layers[0]], layers[0]
    for size in layers[1:]:
        ufunc(folded[:size], values[start : start + size], out=folded[:size])
        start += size
    return folded


def _lengths(total: Floats, counts: Rows) -> Floats:
    """What makes a sum of embeddings (N, D) a template; a sum of 0, which is like nobody, stays 0."""
    length = np.sqrt(np.einsum("ij,ij->i", total, total))
    return np.where(counts > 1, np.maximum(length, np.finfo(np.float64).tiny), 1)
