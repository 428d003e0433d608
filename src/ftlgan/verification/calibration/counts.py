"""Scores -> counts by score and by person, in memory that does not grow with the number of pairs.

Up to `MOST_EXACT` pairs, each distinct score is counted. More pairs are counted block by block in `GRID` bins of
cosines, which change a score by at most 1.5e-5. The bootstrap uses counts by person, in up to `GROUPS` equal groups
between the lowest and the highest score, with the mean score of each group. Code that draws by groups must subtract the
effect that the groups have on all people together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.progress import progress
from ftlgan.verification.binning import Floats, Grid, Ints
from ftlgan.verification.bootstrap import Weights, draw_people, weigh_impostors
from ftlgan.verification.histogram import FEWEST_GROUPS, GRID, MOST_CELLS, MOST_EXACT, cells_of
from ftlgan.verification.metrics import RESOLUTION
from ftlgan.verification.pairs import AllPairs, Comparison, joined

GROUPS = 1000
"""The most groups of scores: each then spans a few hundredths of a log10 LR."""


@dataclass(frozen=True, eq=False)
class Counts:
    """The number of scores at K steps of rising score, for all people (R = 1) or for R draws of people."""

    scores: Floats
    """The score of each step, (K,)."""
    genuine: Floats
    impostor: Floats
    """The number of scores of each kind, (R, K)."""

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """The share of all genuine and of all impostor scores in each step, (R, K) each."""
        return tuple(kind / kind.sum(axis=1, keepdims=True) for kind in (self.genuine, self.impostor))  # pyright: ignore[reportReturnType]


@dataclass(frozen=True, eq=False)
class CountedScores:
    """The counted scores of some people."""

    people: tuple[str, ...]
    """The P identities, sorted."""
    whole: Counts
    """The counts of all scores, (1, L), with a step for each distinct score if there are few enough pairs."""
    group_scores: Floats
    """The mean score of each group, rising, (K,)."""
    genuine_cells: NDArray[np.int32]
    """The number of genuine scores of each person in each group, (P, K)."""
    impostor_cells: NDArray[np.int32]
    """The number of impostor scores of each pair of people or of each person in each group:
    see `ftlgan.verification.histogram.ScoreHistogram`."""
    by_pairs: bool
    """Whether `impostor_cells` has a row for each pair of people."""

    @property
    def sizes(self) -> tuple[int, int]:
        """The number of genuine and of impostor scores."""
        return int(self.whole.genuine.sum()), int(self.whole.impostor.sum())

    @property
    def units(self) -> tuple[int, int]:
        """The number of people with genuine scores, and of pairs of people with impostor scores.

        If impostor scores are counted by person, every pair of people is assumed to have some.
        """
        pairs = (
            self.impostor_cells.any(axis=1).sum() if self.by_pairs else len(self.people) * (len(self.people) - 1) / 2
        )
        return int(self.genuine_cells.any(axis=1).sum()), int(min(pairs, self.sizes[1]))

    @cached_property
    def grouped(self) -> Counts:
        """The counts of all scores by group, (1, K)."""
        return self.drawn(np.ones((1, len(self.people)), np.uint8))

    def drawn(self, weights: Weights) -> Counts:
        """Count the scores of draws of people by group, weights (R, P) to counts (R, K)."""
        person_weights = weights.astype(np.float64)
        genuine = person_weights @ self.genuine_cells.astype(np.float64)
        impostor = weigh_impostors(self.by_pairs, person_weights, self.impostor_cells)
        return Counts(self.group_scores, genuine, np.maximum(impostor, 0))  # first-order weights may make it negative

    def draw(self, replicates: int, seed: int) -> Weights:
        """Draw people with replacement so that each draw has a genuine and an impostor pair, (R, P)."""
        totals = self.genuine_cells.sum(axis=1), self.impostor_cells.sum(axis=1, keepdims=True)

        def has_both_kinds(weights: Weights) -> NDArray[np.bool_]:
            some = weights.astype(np.float64)
            return (some @ totals[0] > 0) & (weigh_impostors(self.by_pairs, some, totals[1])[:, 0] > 0)

        return draw_people(len(self.people), replicates, seed, has_both_kinds)


def count_pairs(pairs: AllPairs) -> CountedScores:
    """Count the scores of all pairs, exactly if there are at most `MOST_EXACT`, else block by block in bins.

    Raises:
        DataError: if all scores are the same.
    """
    if sum(pairs.counts) <= MOST_EXACT:
        return count_scores(joined(pairs.blocks()))
    return _count(progress(pairs.blocks(), "count", pairs.block_count, "block"), pairs.sample(), exact=False)


def count_scores(scores: Comparison) -> CountedScores:
    """Count scores that are in memory, exactly.

    Raises:
        DataError: if the identities are unknown, there are no genuine or no impostor scores, or all are the same.
    """
    if not scores.people:
        raise DataError(
            "the identities are unknown, but the intervals are over people; give probe_identity and reference_identity"
        )
    if not (scores.genuine.size and scores.impostor.size):
        raise DataError(
            f"{scores.genuine.size} genuine and {scores.impostor.size} impostor scores; give both kinds to calibrate"
        )
    return _count([scores], scores, exact=True)


def _count(blocks: Iterable[Comparison], pilot: Comparison, exact: bool) -> CountedScores:
    """Count blocks of scores of the same people; the pilot, some or all of them, sets the range of the groups."""
    everything = np.concatenate([pilot.genuine, pilot.impostor])
    lowest, highest = float(everything.min()), float(everything.max())
    if highest - lowest <= RESOLUTION * max(abs(lowest), abs(highest)):
        raise DataError(
            f"genuine and impostor scores are all {lowest:.4g}; check that the recognizer does not give every face the "
            "same embedding"
        )
    grid = Grid(GRID)
    levels = np.unique(everything) if exact else grid.edges + 1 / GRID
    people = len(pilot.people)
    pairs_of_people = people * (people - 1) // 2
    by_pairs = pairs_of_people * FEWEST_GROUPS <= MOST_CELLS
    cells = pairs_of_people if by_pairs else people
    most = min(GROUPS, max(FEWEST_GROUPS, MOST_CELLS // cells))
    group = np.clip(((levels - lowest) * (most / (highest - lowest))).astype(np.int64), 0, most - 1)
    whole = np.zeros((2, len(levels)), np.int64)
    by_cell = [np.zeros((size, most), np.int32) for size in (people, cells)]
    for block in blocks:
        for kind, (scores, places) in enumerate(
            zip((block.genuine, block.impostor), cells_of(block, by_pairs), strict=True)
        ):
            steps = np.searchsorted(levels, scores) if exact else grid(scores)
            whole[kind] += np.bincount(steps, minlength=len(levels))
            for place in places:
                np.add.at(by_cell[kind].reshape(-1), place * most + group[steps], np.int32(1))
    return _without_gaps(pilot.people, levels, whole, group, by_cell, by_pairs)


def _without_gaps(
    people: tuple[str, ...], levels: Floats, whole: Ints, group: Ints, cells: list[NDArray[np.int32]], by_pairs: bool
) -> CountedScores:
    """Leave out the levels and groups that have no scores."""
    number = whole.sum(axis=0)
    per_group = np.bincount(group, number, cells[0].shape[1])
    filled = per_group > 0
    means = np.bincount(group, number * levels, len(per_group))[filled] / per_group[filled]
    seen = number > 0
    genuine, impostor = whole[:, None, seen].astype(np.float64)
    genuine_cells, impostor_cells = (np.ascontiguousarray(kind[:, filled]) for kind in cells)
    return CountedScores(
        people, Counts(levels[seen], genuine, impostor), means, genuine_cells, impostor_cells, by_pairs
    )
