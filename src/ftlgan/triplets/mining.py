"""Mining of anchor / positive / negative in the teacher's embedding space.

Source: Schroff, Kalenichenko and Philbin, "FaceNet" (2015): a negative is semi-hard if it is farther than the positive,
but by less than the margin. The paper (Pulgar and Mery) does not specify the mining. We mine offline, on the
high-resolution embeddings, and record the triplets, so that they can be read, diffed and shared.

If there is no other photo of the same person, or the person is unknown, a face is its own positive: the restored face
is pulled to its high-resolution twin. That is also our choice.

To compare each of N faces with all others takes N^2 comparisons: an hour on two cores for a million faces. So an anchor
is compared with at most `triplets.among` faces, which are drawn for each group of 4,096 anchors.
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
"""A percentile of the distances between photos of one person. Faces that are nearer may show the same person."""
MOST_PAIRS = 1_000_000
"""The largest number of pairs from which the percentile is estimated."""
ANCHORS_PER_GROUP = 4096
"""The number of anchors that are compared with the same faces."""
AMONG = 1
"""The purpose of random numbers by seed and group. Positives and negatives are drawn by seed and anchor alone."""

Pair = tuple[int, int, float, float]
"""The rows of positive and negative, and their distances from the anchor."""


@dataclass(frozen=True)
class Space:
    """The high-resolution faces in the embedding space of a teacher."""

    face_ids: np.ndarray
    """str (N,), unique."""
    identities: np.ndarray
    """str (N,), or None if the person is unknown."""
    embeddings: np.ndarray
    """float32 (N, D), unit length."""

    @cached_property
    def numbered(self) -> tuple[np.ndarray, np.ndarray]:
        """The known people, sorted, and the number of each face's person, or `UNKNOWN`."""
        known = np.array([identity is not None for identity in self.identities])
        people, numbers = np.unique(self.identities[known].astype(np.str_), return_inverse=True)
        who = np.full(len(self.identities), UNKNOWN)
        who[known] = numbers
        return people, who

    @cached_property
    def by_person(self) -> list[np.ndarray]:
        """The rows of each known person, ascending."""
        people, who = self.numbered
        order = np.argsort(who, kind="stable")
        return np.split(order, np.searchsorted(who[order], np.arange(len(people) + 1)))[1:-1]

    @cached_property
    def limit(self) -> float:
        """The distance that `MAYBE_THE_SAME` percent of the pairs of photos of one person do not exceed.

        If there are more than `MOST_PAIRS` pairs, only the first photos of each person are used. It is infinite if
        everybody is known, because it is not needed then.
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
    """Mine semi-hard triplets. If a pair has too few semi-hard negatives, the nearest farther faces fill up.

    An unknown face may show a person who is also in the table, and would then be the hardest negative of that person's
    other photos. So an unknown face and another face are negatives of each other only if their distance is at least
    `Space.limit`, which 95% of the pairs of photos of one known person do not exceed.

    Args:
        space: the faces.
        config: the number and hardness of the triplets.
        seed: seed of the choice of positives and negatives.
        block: number of anchors to compare at once; None to suit the processor. The result does not depend on it.

    Yields:
        Tables of `TRIPLETS`, in the order of the anchors.

    Raises:
        DataError: if there are fewer than two known people, or none with two faces.
    """
    people, who = space.numbered
    if len(people) < 2 or max(map(len, space.by_person)) < 2:
        raise DataError(
            f"triplets: {len(who)} training faces of {len(people)} known people give no triplet; "
            "add photos: at least 2 people are needed, one of them with 2 photos"
        )
    anchors = _Anchors(space.face_ids, space.embeddings, who, np.arange(len(who)))
    yield from _mine(space, anchors, config, seed, 0, block)


def mine_native(
    face_ids: np.ndarray, identities: np.ndarray, space: Space, config: Triplets, seed: int
) -> Iterator[pa.Table]:
    """Mine triplets whose anchors are native small faces. Positives and negatives are high-resolution photos.

    A small face has no reliable embedding, so the mean embedding of its person's photos is used instead.

    Args:
        face_ids: str (M,), the small faces.
        identities: str (M,), their people, who must be in `space`.
        space: the high-resolution faces.
        config: see `mine`.
        seed: see `mine`.

    Yields:
        Tables of `TRIPLETS`, in the order of the anchors. The distances are those from the mean.
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
    """int64 (N,): the row of each anchor in the space, or -1 if it is not there."""


def _mine(
    space: Space, anchors: _Anchors, config: Triplets, seed: int, first: int, block: int | None = None
) -> Iterator[pa.Table]:
    """Mine the triplets of anchors in groups, one group per core.

    Args:
        space: the faces.
        anchors: the anchors.
        config: see `mine`.
        seed: see `mine`.
        first: number of the first anchor. The triplets of an anchor are drawn by its number and the seed.
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
    with threadpool_limits(1), ThreadPoolExecutor(available_cores()) as pool:  # one core per group
        groups = map_ahead(pool, mine_group, starts, 2 * available_cores())
        yield from progress(groups, "mine triplets", len(starts), f"{ANCHORS_PER_GROUP:,} anchors")


def _among(faces: int, most: int | None, seed: int, first: int) -> np.ndarray:
    """Return the rows of the faces to compare with the group of anchors that starts at number `first`, ascending."""
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
    """Return the rows of the negatives to draw from, and their distances.

    They are the `hardest` nearest faces that are farther than the positive, but within the margin. If these are fewer
    than `negatives` (the people are easy to tell apart, or the positive is far), the nearest faces beyond the margin
    fill up. If too few faces are farther than the positive, they are the farthest faces.
    """
    rows, their_distances = search.nearest_farther(positive_distance, max(config.hardest, config.negatives))
    if len(rows) < config.negatives:
        return search.farthest(config.negatives)
    within = int(np.searchsorted(their_distances, positive_distance + config.margin, side="left"))
    count = max(min(within, config.hardest), config.negatives)
    return rows[:count], their_distances[:count]


def _table(space: Space, face_ids: np.ndarray, pairs: Sequence[Sequence[Pair]]) -> pa.Table:
    """Return the pairs of these anchors as a table."""
    anchors = np.repeat(face_ids, [len(own) for own in pairs])
    if not len(anchors):
        return TRIPLETS.empty_table()
    columns = zip(*(pair for own in pairs for pair in own), strict=True)
    positive, negative, *their_distances = (np.array(column) for column in columns)
    ids, identities = space.face_ids, space.identities
    columns = [anchors, ids[positive], ids[negative], identities[positive], identities[negative]]
    columns += [column.astype(np.float32) for column in their_distances]
    return pa.table([pa.array(column) for column in columns], schema=TRIPLETS)
