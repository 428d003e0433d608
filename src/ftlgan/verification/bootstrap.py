"""Bootstrap over people: the draws from which `report` computes the confidence intervals of the metrics.

Scores that share a person are not independent: 160,000 impostor scores of 100 people are still a sample of 100 people.
So the bootstrap draws people, never pairs. In a draw that takes person i w_i times, a genuine pair of i weighs w_i, and
an impostor pair of i and j weighs w_i * w_j.

If the histogram counts each pair of people, these weights are exact. If there are too many people for that, w_i * w_j
is replaced by its first-order expansion w_i + w_j - 1 (the Hajek projection). This leaves out (w_i - 1)(w_j - 1), the
part that is specific to a pair of people. Exact weights count the variance of that part three times, and the expansion
still counts it twice, so the intervals stay conservative.

If scores are counted in groups, the ROC curve of a draw has fewer corners. The effect of this on the metrics of all
scores is subtracted from every draw. What remains moves a draw by a few hundredths of its standard deviation.

On Gaussian scores with a known d', percentile intervals at 95% contained the truth 92 to 97 times in 100 with 100
people, and 90 to 98 times with 40. With 15 people it was 95 times at d' 1, but only 86 to 90 times at d' 3
(tests/benchmarks/coverage.py).

Source: the vertex bootstrap of Snijders & Borgatti, Connections 22 (1999); for face verification, Fogliato, Patil &
Perona, "Confidence intervals for error rates in 1:1 matching tasks", IJCV (2024); projection: Hajek, Annals of
Mathematical Statistics 39 (1968).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftlgan.verification.binning import Floats
from ftlgan.verification.histogram import ScoreHistogram
from ftlgan.verification.metrics import decidability
from ftlgan.verification.roc import Roc

Weights = NDArray[np.uint8]
DRAWS_PER_PASS, PAIRS_PER_PASS = 250, 8192
"""Limits that keep a pass at some tens of MB."""


@dataclass(frozen=True, eq=False)
class Replicates:
    """The metrics of R draws from the P people of a test set."""

    people: tuple[str, ...]
    weights: Weights
    """How often each person was drawn, (R, P); a row sums to P."""
    metrics: Mapping[str, Floats]
    """The draws of each metric by its name, (R,) each. d' is NaN in a draw whose scores do not vary."""


def estimate_metrics(histogram: ScoreHistogram, fmrs: Sequence[float]) -> dict[str, float]:
    """Return the metrics of all scores: d_prime, auc, eer and, for each FMR, fnmr_at_fmr_FMR.

    d' is NaN where neither the genuine nor the impostor scores vary.
    """
    counts = histogram.genuine.sum(), histogram.impostor.sum()
    d_prime = _d_prime(histogram, (counts[0], *histogram.genuine_sums), (counts[1], *histogram.impostor_sums))
    return {name: float(value) for name, value in {"d_prime": d_prime, **_roc_metrics(histogram.roc, fmrs)}.items()}


def bootstrap(histogram: ScoreHistogram, fmrs: Sequence[float], replicates: int = 1000, seed: int = 0) -> Replicates:
    """Resample people with replacement.

    The draws depend only on the seed, the people, and which of them have a genuine pair. Two methods that are tested on
    the same photos get the same draws and can be compared draw by draw.
    """
    weights = draw_people(len(histogram.people), replicates, seed, lambda weights: _has_both_kinds(histogram, weights))
    passes = [
        _replicates(histogram, weights[i : i + DRAWS_PER_PASS], fmrs) for i in range(0, replicates, DRAWS_PER_PASS)
    ]
    everybody_once = _replicates(histogram, np.ones((1, len(histogram.people)), np.uint8), fmrs)
    grouping = {name: everybody_once[name] - value for name, value in _roc_metrics(histogram.roc, fmrs).items()}
    drawn = {name: np.concatenate([found[name] for found in passes]) for name in everybody_once}
    return Replicates(
        histogram.people, weights, {name: values - grouping.get(name, 0) for name, values in drawn.items()}
    )


def draw_people(people: int, replicates: int, seed: int, is_usable: Callable[[Weights], NDArray[np.bool_]]) -> Weights:
    """Return how often each person is drawn in each replicate, (R, P).

    Args:
        people: the number of people P.
        replicates: the number of draws R.
        seed: the seed of the draws.
        is_usable: returns which of K draws (K, P) have all that the metrics need, (K,); the others are drawn again.
    """
    generator = np.random.default_rng(seed)
    weights = np.empty((replicates, people), dtype=np.uint8)  # nobody is ever drawn 256 times, however many people
    unusable = np.arange(replicates)
    while unusable.size:
        passes = np.array_split(unusable, -(-unusable.size // DRAWS_PER_PASS))
        for draws in passes:
            weights[draws] = generator.multinomial(people, np.full(people, 1 / people), size=draws.size)
        unusable = np.concatenate([draws[~is_usable(weights[draws])] for draws in passes])
    return weights


def fnmr_name(fmr: float) -> str:
    """Return the name of a metric, such as `fnmr_at_fmr_0.001`."""
    return f"fnmr_at_fmr_{fmr:g}"


def _roc_metrics(roc: Roc, fmrs: Sequence[float]) -> dict[str, Floats]:
    return {"auc": roc.auc(), "eer": roc.eer(), **{fnmr_name(fmr): roc.fnmr_at(fmr) for fmr in fmrs}}


def _d_prime(histogram: ScoreHistogram, genuine: Sequence[Floats], impostor: Sequence[Floats]) -> Floats:
    """Return d' from the count, sum and sum of squares of each kind of score."""

    def moments(count: Floats, total: Floats, squares: Floats) -> tuple[Floats, Floats]:
        mean = total / count
        return mean + histogram.centre, squares / count - mean**2

    return decidability(*moments(*genuine), *moments(*impostor))


def _replicates(histogram: ScoreHistogram, weights: Weights, fmrs: Sequence[float]) -> dict[str, Floats]:
    """Return the metrics of some draws."""
    person_weights = weights.astype(np.float64)
    genuine, impostor = histogram.genuine_cells, histogram.impostor_cells
    genuine_counts = person_weights @ genuine.counts.astype(np.float64)
    impostor_counts = weigh_impostors(histogram.by_pairs, person_weights, impostor.counts)
    d_prime = _d_prime(
        histogram,
        (genuine_counts.sum(axis=1), *(person_weights @ genuine.sums).T),
        (impostor_counts.sum(axis=1), *weigh_impostors(histogram.by_pairs, person_weights, impostor.sums).T),
    )
    return {"d_prime": d_prime, **_roc_metrics(Roc.from_counts(genuine_counts, impostor_counts), fmrs)}


def weigh_impostors(by_pairs: bool, weights: Floats, cells: NDArray[Any]) -> Floats:
    """Return sums over the cells of impostor scores, weighted by each draw: (R, P) and (C, K) to (R, K)."""
    return (_weigh_pairs if by_pairs else _weigh_to_first_order)(weights, cells)


def _weigh_pairs(weights: Floats, pairs: NDArray[Any]) -> Floats:
    """Sum w_i * w_j * pairs[i, j] over pairs of people: (R, P) and (P * (P - 1) / 2, K) to (R, K)."""
    one, other = np.triu_indices(weights.shape[1], 1)
    person_draws = np.ascontiguousarray(weights.T)
    total = np.zeros((len(weights), pairs.shape[1]))
    for start in range(0, len(one), PAIRS_PER_PASS):
        some = slice(start, start + PAIRS_PER_PASS)
        total += (person_draws[one[some]] * person_draws[other[some]]).T @ pairs[some].astype(np.float64)
    return total


def _weigh_to_first_order(weights: Floats, people: NDArray[Any]) -> Floats:
    """Sum with w_i + w_j - 1 for w_i * w_j, given the sums of each person's pairs: (R, P) and (P, K) to (R, K)."""
    return weights @ people.astype(np.float64) - people.sum(axis=0) / 2


def _has_both_kinds(histogram: ScoreHistogram, weights: Weights) -> NDArray[np.bool_]:
    """Return which draws have a genuine and an impostor pair, (R,). In tiny test sets and lists, some have none."""
    person_weights = weights.astype(np.float64)
    genuine = person_weights @ histogram.genuine_cells.counts.sum(axis=1)
    impostor_counts = histogram.impostor_cells.counts.sum(axis=1, keepdims=True)
    impostor = weigh_impostors(histogram.by_pairs, person_weights, impostor_counts)[:, 0]
    return (genuine > 0) & (impostor > 0)
