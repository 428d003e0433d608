"""Mining anchor / positive / negative in the teacher's embedding space.

Source: Schroff, Kalenichenko and Philbin, "FaceNet" (2015): a negative is semi-hard when it is farther than the
positive, but by less than the margin. The paper (Pulgar and Mery) leaves the mining open; that it is offline, on the
high-resolution embeddings, and recorded, is our choice: a triplet set can be read, diffed and shared.

A face that has no other photo of the same person, because there is one photo of that person or because nobody knows who
it is, is its own positive: the restored face is drawn to its high-resolution twin. That is our choice, too.

To compare each of N faces with all others takes N^2 comparisons: an hour of two cores at a million. So an anchor is
compared with at most `triplets.among` faces, which are drawn anew for every 4,096 anchors.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from ftlgan.errors import DataError
from ftlgan.params import Triplets
from ftlgan.processes import available_cores, map_ahead
from ftlgan.progress import progress
from ftlgan.triplets.search import UNKNOWN, Anchor, Others, Search, distances, searches
from ftlgan.triplets.table import TRIPLETS

MAYBE_THE_SAME = 95
"""The percentile of the distances between two photos of one person below which two faces may show one person."""
MOST_PAIRS = 1_000_000
"""The percentile is taken from so many pairs of photos of one person: it needs no more."""
ANCHORS_PER_GROUP = 4096
"""Anchors that are compared with the same faces."""
AMONG = 1
"""What is drawn by seed and group; positives and negatives are drawn by seed and anchor alone."""

Pair = tuple[int, int, float, float]
"""Rows of positive and negative, and their distances from the anchor."""


@dataclass(frozen=True)
class Space:
    """The high-resolution faces in the space of a teacher."""

    face_ids: np.ndarray
    """str (N,), unique."""
    identities: np.ndarray
    """str (N,), who each face is; None where nobody knows."""
    embeddings: np.ndarray
    """float32 (N, D), unit length."""

    @cached_property
    def numbered(self) -> tuple[np.ndarray, np.ndarray]:
        """The people who are known, sorted, and the number of each face's, `UNKNOWN` where nobody knows."""
        known = np.array([identity is not None for identity in self.identities])
        people, numbers = np.unique(self.identities[known].astype(np.str_), return_inverse=True)
        who = np.full(len(self.identities), UNKNOWN)
        who[known] = numbers
        return people, who

    @cached_property
    def by_person(self) -> list[np.ndarray]:
        """The rows of each person who is known, ascending."""
        people, who = self.numbered
        order = np.argsort(who, kind="stable")
        return np.split(order, np.searchsorted(who[order], np.arange(len(people) + 1)))[1:-1]

    @cached_property
    def limit(self) -> float:
        """The distance that `MAYBE_THE_SAME` percent of the pairs of two photos of one person do not exceed.

        Of more than `MOST_PAIRS` pairs, those of each person's first photos are taken, of as many as give no more. It
        is infinite where everybody is known, because nobody needs it there.
        """
        if (self.numbered[1] != UNKNOWN).all():
            return math.inf
        counts = np.array([len(rows) for rows in self.by_person])
        most = int(counts.max())
        while most > 2 and (np.minimum(counts, most) * (np.minimum(counts, most) - 1) // 2).sum() > MOST_PAIRS:
            most -= max(1, most // 8)
        genuine = [
            distances(self.embeddings[rows[first + 1 : most]], self.embeddings[rows[first]])
            for rows in self.by_person
            for first in range(min(most, len(rows)) - 1)
        ]
        return float(np.percentile(np.concatenate(genuine), MAYBE_THE_SAME))


def mine(space: Space, config: Triplets, seed: int, block: int | None = None) -> Iterator[pa.Table]:
    """Mine semi-hard triplets; where a pair has too few semi-hard negatives, the nearest farther ones fill up.

    A face of whom nobody knows who it is may show somebody who is in the table, too, and would be the hardest negative
    of that person's other photos. So it is negative to a face, and has a face as negative, only from a distance that 95
    of 100 pairs of photos of one person do not reach; these pairs are those of the people who are known.

    Args:
        space: the faces.
        config: how many and how hard.
        seed: of the choice of positives and negatives.
        block: how many anchors are compared at once; None: as many as suit the processor. The result is the same.

    Yields:
        Tables of `TRIPLETS`, by anchor in the order given.

    Raises:
        DataError: if there are fewer than two known people, or none with two faces.
    """
    people, who = space.numbered
    if len(people) < 2 or max(map(len, space.by_person)) < 2:
        raise DataError(
            f"triplets: {len(who)} training faces of {len(people)} known people hold no triplet; "
            "it takes 2 people, one of them with 2 photos"
        )
    anchors = _Anchors(space.face_ids, space.embeddings, who, np.arange(len(who)))
    yield from _mine(space, anchors, config, seed, 0, block)


def mine_native(
    face_ids: np.ndarray, identities: np.ndarray, space: Space, config: Triplets, seed: int
) -> Iterator[pa.Table]:
    """Mine triplets whose anchors are native small faces: positive and negative are high-resolution photos.

    A small face has no embedding that could be trusted. The mean of its person's photos stands for it.

    Args:
        face_ids: str (M,), of the small faces.
        identities: str (M,), who each is: people of `space`.
        space: the high-resolution faces.
        config: see `mine`.
        seed: see `mine`.

    Yields:
        Tables of `TRIPLETS`, by anchor in the order given. The distances are those of the mean.
    """
    if not len(face_ids):
        return
    shown, inverse = np.unique(identities.astype(np.str_), return_inverse=True)
    numbers = np.searchsorted(space.numbered[0], shown)
    means = np.stack([space.embeddings[space.by_person[number]].mean(axis=0) for number in numbers])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    anchors = _Anchors(face_ids, means[inverse], numbers[inverse], np.full(len(face_ids), -1))
    yield from _mine(space, anchors, config, seed, len(space.face_ids))


@dataclass(frozen=True)
class _Anchors:
    face_ids: np.ndarray
    embeddings: np.ndarray
    who: np.ndarray
    rows: np.ndarray
    """int64 (N,): where each is among the faces of the space; -1 if it is not there."""


def _mine(
    space: Space, anchors: _Anchors, config: Triplets, seed: int, first: int, block: int | None = None
) -> Iterator[pa.Table]:
    """Mine the triplets of anchors in groups, a group a core.

    Args:
        space: the faces.
        anchors: of whom.
        config: how many and how hard.
        seed: of the choice of positives and negatives.
        first: the number of the first anchor, by which with the seed its triplets are drawn.
        block: see `mine`.
    """
    _, who = space.numbered
    limit = space.limit

    def mine_group(start: int) -> pa.Table:
        group = range(start, min(start + ANCHORS_PER_GROUP, len(anchors.face_ids)))
        rows = _among(len(who), config.among, seed, first + start)
        others = Others(rows, who[rows], space.embeddings, limit)
        asked = [Anchor(anchors.embeddings[i], int(anchors.who[i]), int(anchors.rows[i])) for i in group]
        pairs = [
            list(_pairs_of_anchor(found, space, config, np.random.default_rng([seed, first + i])))
            for i, found in zip(group, searches(asked, others, block), strict=True)
        ]
        return _table(space, anchors.face_ids[group.start : group.stop], pairs)

    starts = range(0, len(anchors.face_ids), ANCHORS_PER_GROUP)
    with threadpool_limits(1), ThreadPoolExecutor(available_cores()) as pool:  # a group a core, not a core a product
        groups = map_ahead(pool, mine_group, starts, 2 * available_cores())
        yield from progress(groups, "mine triplets", len(starts), f"{ANCHORS_PER_GROUP:,} anchors")


def _among(faces: int, most: int | None, seed: int, first: int) -> np.ndarray:
    """Return the rows of the faces with which the anchors from number `first` on are compared, ascending."""
    if most is None or faces <= most:
        return np.arange(faces)
    drawn = np.random.default_rng([seed, first, AMONG]).choice(faces, most, replace=False, shuffle=False)
    return np.sort(drawn)


def _pairs_of_anchor(search: Search, space: Space, config: Triplets, rng: np.random.Generator) -> Iterator[Pair]:
    """Draw the pairs of one anchor."""
    anchor = search.anchor
    positives = space.by_person[anchor.who] if anchor.who != UNKNOWN else np.array([anchor.row])
    if len(positives) > 1:
        positives = positives[positives != anchor.row]
    positives = np.sort(rng.permutation(positives)[: config.positives])
    positive_distances = distances(space.embeddings[positives], anchor.embedding)
    positive_distances[positives == anchor.row] = 0
    for positive, distance in zip(positives.tolist(), positive_distances.tolist(), strict=True):
        rows, their_distances = semi_hard(search, distance, config)
        drawn = rng.permutation(len(rows))[: config.negatives]
        for place in drawn[np.argsort(rows[drawn])]:
            yield positive, int(rows[place]), distance, float(their_distances[place])


def semi_hard(search: Search, positive_distance: float, config: Triplets) -> tuple[np.ndarray, np.ndarray]:
    """Return the negatives to draw from, and their distances.

    The `hardest` nearest that are farther than the positive and within the margin of it. Fewer than `negatives` of
    those (the people are easy to tell apart, or the positive is far off): the nearest farther ones beyond the margin
    fill up, and where too few are farther than the positive, these are the farthest.
    """
    rows, their_distances = search.nearest_farther(positive_distance, max(config.hardest, config.negatives))
    if len(rows) < config.negatives:
        return search.farthest(config.negatives)
    within = int(np.searchsorted(their_distances, positive_distance + config.margin, side="left"))
    count = max(min(within, config.hardest), config.negatives)
    return rows[:count], their_distances[:count]


def _table(space: Space, face_ids: np.ndarray, pairs: Sequence[Sequence[Pair]]) -> pa.Table:
    """Return the table of the pairs of these anchors."""
    anchors = np.repeat(face_ids, [len(own) for own in pairs])
    if not len(anchors):
        return TRIPLETS.empty_table()
    columns = zip(*(pair for own in pairs for pair in own), strict=True)
    positive, negative, *their_distances = (np.array(column) for column in columns)
    ids, identities = space.face_ids, space.identities
    columns = [anchors, ids[positive], ids[negative], identities[positive], identities[negative]]
    columns += [column.astype(np.float32) for column in their_distances]
    return pa.table([pa.array(column) for column in columns], schema=TRIPLETS)
