"""Scores -> the counts that the metrics and their bootstrap need. Memory does not grow with the number of pairs.

Up to `MOST_EXACT` pairs, every genuine score has its own bin, and the metrics are exact. More pairs are counted block
by block in a grid of `GRID` bins. The largest error of the AUC from ties inside a bin is known, and reported.

The bootstrap over people needs the scores of each person. For it, bins are joined into groups, which are finer where
the ROC curve has its corners. Up to `MOST_CELLS` cells, scores are counted for each pair of people, and a draw weighs
them exactly. Beyond that they are counted for each person, and a draw weighs them to first order
(`ftlgan.verification.bootstrap`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.progress import progress
from ftlgan.verification.binning import Bins, Floats, Grid, Ints, Ranks
from ftlgan.verification.pairs import AllPairs, Comparison, joined
from ftlgan.verification.roc import Roc
from ftlgan.verification.thresholds import Levels

MOST_EXACT = 2**23
"""The most pairs held in memory at once: about 300 MB."""
GRID = 2**16
"""The number of bins of cosines: ties inside them can change an AUC by a few millionths."""
MOST_CELLS = 2**23
"""The most cells (pairs of people x groups): 32 MB, and a second of bootstrap."""
FEWEST_GROUPS, GROUPS = 64, 512
"""The fewest groups to count by pairs of people, and the most groups to count by person."""
DENSITY_BINS = 200


@dataclass(frozen=True, eq=False)
class Cells:
    """Scores by person, or by pair of people."""

    counts: NDArray[np.int32]
    """The number of scores of each of C cells in each of K groups of rising score, (C, K)."""
    sums: Floats
    """The sum and sum of squares of each cell's scores minus `ScoreHistogram.centre`, (C, 2)."""


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """The counted scores of one method, judge and protocol."""

    people: tuple[str, ...]
    """The P identities; empty if they are unknown."""
    genuine: Ints
    """The number of genuine scores in B bins of rising score, (B,)."""
    impostor: Ints
    """The number of impostor scores in the same bins, (B,)."""
    genuine_levels: Levels
    impostor_levels: Levels
    """The scores that may be thresholds: each score, or if not `exact`, the lower edge of each bin."""
    exact: bool
    """Whether the bins keep the order of genuine and impostor scores."""
    centre: float
    """The value subtracted from the scores before they are summed, to avoid cancellation of large numbers."""
    genuine_sums: Floats
    """The sum and sum of squares of all genuine scores minus `centre`, (2,)."""
    impostor_sums: Floats
    """The sum and sum of squares of all impostor scores minus `centre`, (2,)."""
    density: tuple[Ints, Ints]
    """The number of genuine and impostor scores in `DENSITY_BINS` equal bins of [-1, 1]."""
    genuine_cells: Cells
    """A cell for each person, C = P."""
    impostor_cells: Cells
    """A cell for each pair of people, in the order of `np.triu_indices(P, 1)`. If there are too many pairs, a cell for
    each person, C = P, and a score counts for both of its people."""
    by_pairs: bool
    """Whether `impostor_cells` has a cell for each pair of people."""

    @property
    def roc(self) -> Roc:
        """The ROC curve of all scores."""
        return Roc.from_counts(self.genuine, self.impostor)

    @property
    def auc_error(self) -> float:
        """The largest error of the AUC from ties inside the bins; 0 if only equal scores tie."""
        if self.exact:
            return 0.0
        return float((self.genuine / self.genuine.sum()) @ (self.impostor / self.impostor.sum()) / 2)


def pair_histogram(pairs: AllPairs) -> ScoreHistogram:
    """Count the scores of all pairs, exactly if there are at most `MOST_EXACT`, else block by block in a grid."""
    if sum(pairs.counts) <= MOST_EXACT:
        return score_histogram(joined(pairs.blocks()))
    return _fill(progress(pairs.blocks(), "verify", pairs.block_count, "block"), Grid(GRID), pairs.sample())


def score_histogram(scores: Comparison) -> ScoreHistogram:
    """Count scores that are in memory, exactly.

    Raises:
        DataError: if there are no genuine or no impostor scores.
    """
    if not (scores.genuine.size and scores.impostor.size):
        raise DataError(
            f"{scores.genuine.size} genuine and {scores.impostor.size} impostor scores: verification needs both kinds"
        )
    return _fill([scores], Ranks(np.unique(scores.genuine)), scores)


def _fill(blocks: Iterable[Comparison], bins: Bins, pilot: Comparison) -> ScoreHistogram:
    """Count blocks of scores of the same people; the pilot is a sample of the scores and sets the groups."""
    people = len(pilot.people)
    pairs_of_people = people * (people - 1) // 2
    by_pairs = pairs_of_people * min(bins.size, FEWEST_GROUPS) <= MOST_CELLS
    most_groups = (
        MOST_CELLS // max(1, pairs_of_people) if by_pairs else max(FEWEST_GROUPS, min(GROUPS, MOST_CELLS // people))
    )
    pilot_genuine, pilot_impostor = (
        np.bincount(bins(scores), minlength=bins.size) for scores in (pilot.genuine, pilot.impostor)
    )
    groups = _groups(pilot_genuine, pilot_impostor, most_groups)
    genuine, impostor = _Sums(bins, groups, people), _Sums(bins, groups, pairs_of_people if by_pairs else people)
    centre = float((pilot.genuine.sum() + pilot.impostor.sum()) / (pilot.genuine.size + pilot.impostor.size))
    for block in blocks:
        genuine_cells, impostor_cells = cells_of(block, by_pairs)
        genuine.add(block.genuine, centre, genuine_cells)
        impostor.add(block.impostor, centre, impostor_cells)
    if isinstance(bins, Grid):
        levels = [Levels.from_bins(bins.edges, kind.counts) for kind in (genuine, impostor)]
    else:  # the pilot holds all scores
        levels = [Levels.from_scores(scores) for scores in (pilot.genuine, pilot.impostor)]
    return ScoreHistogram(
        people=pilot.people,
        genuine=genuine.counts,
        impostor=impostor.counts,
        genuine_levels=levels[0],
        impostor_levels=levels[1],
        exact=bins.exact,
        centre=centre,
        genuine_sums=genuine.sums,
        impostor_sums=impostor.sums,
        density=(genuine.density, impostor.density),
        genuine_cells=genuine.cells,
        impostor_cells=impostor.cells,
        by_pairs=by_pairs,
    )


class _Sums:
    """Counts and sums of one kind of score, over all blocks so far."""

    def __init__(self, bins: Bins, groups: Ints, cells: int) -> None:
        self._bins, self._groups, self._group_count = bins, groups, int(groups[-1]) + 1
        self.counts = np.zeros(bins.size, dtype=np.int64)
        self.sums = np.zeros(2)
        self.density = np.zeros(DENSITY_BINS, dtype=np.int64)
        self.cells = Cells(np.zeros((cells, self._group_count), np.int32), np.zeros((cells, 2)))

    def add(self, scores: Floats, centre: float, cells: Iterable[Ints]) -> None:
        """Count scores, given the cells of each: one for the pair of people, or one for the person on each side."""
        bins = self._bins(scores)
        self.counts += np.bincount(bins, minlength=self._bins.size)
        self.density += np.bincount(Grid(DENSITY_BINS)(scores), minlength=DENSITY_BINS)
        centred = scores - centre
        squares = centred**2
        self.sums += centred.sum(), squares.sum()
        groups = self._groups[bins]
        for cell in cells:
            np.add.at(self.cells.counts.reshape(-1), cell * self._group_count + groups, np.int32(1))
            for column, values in enumerate((centred, squares)):
                self.cells.sums[:, column] += np.bincount(cell, values, len(self.cells.sums))


def cells_of(block: Comparison, by_pairs: bool) -> tuple[list[Ints], list[Ints]]:
    """Return the cells of the genuine and of the impostor scores, an array for each cell in which a score counts."""
    people = len(block.people)
    if not people:
        return [], []
    genuine = block.genuine_person.astype(np.int64)
    probe, reference = block.impostor_persons.astype(np.int64)
    if not by_pairs:
        return [genuine], [probe, reference]
    low, high = np.minimum(probe, reference), np.maximum(probe, reference)
    return [genuine], [low * (2 * people - low - 3) // 2 + high - 1]


def _groups(genuine: Ints, impostor: Ints, most: int) -> Ints:
    """Join neighboring bins into at most `most` groups that change the ROC curve least: (B,) counts to (B,) numbers.

    All groups span about the same length of the curve, measured in FNMR and in the logarithm of FMR.
    """
    size = len(genuine)
    if size <= most:
        return np.arange(size)
    one = np.full(size, 1 / size)  # spread over all bins: a sample may lack one kind of score
    rates = Roc.from_counts(genuine + one, impostor + one)
    lowest = 1 / (1 + impostor.sum())
    along = rates.tmr + 1 - np.log(np.maximum(rates.fmr, lowest)) / np.log(lowest)  # 0 to 2, from the highest bin down
    cell = np.minimum((along[1:] * (most / 2)).astype(np.int64), most - 1)
    return np.unique(-cell, return_inverse=True)[1][::-1]
