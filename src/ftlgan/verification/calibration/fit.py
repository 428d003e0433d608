"""Counts of scores -> a calibration, by logistic regression with balanced priors on all people and on each draw."""

import math
from collections.abc import Mapping

import numpy as np

from ftlgan.errors import DataError
from ftlgan.progress import progress
from ftlgan.verification.binning import Floats
from ftlgan.verification.bootstrap import DRAWS_PER_PASS
from ftlgan.verification.calibration.counts import CountedScores, Counts
from ftlgan.verification.calibration.metrics import empirical_bounds
from ftlgan.verification.calibration.model import Calibration, Interval, Line, Metric, Metrics, ScoreKind, named
from ftlgan.verification.calibration.report import report

FEWEST_PEOPLE = 5
"""The fewest people with genuine scores: fewer do not represent others."""
RIDGE = 1e-8
"""The weight of the squared slope. It does not change results visibly, but keeps the slope finite if genuine and
impostor scores do not overlap."""
MOST_STEPS, LONGEST_STEP, TOLERANCE = 100, 4.0, 1e-10
POINTS = 65
"""The number of scores at which the interval is stored."""


def fit(
    counted: CountedScores,
    recognizer: Mapping[str, str],
    score: ScoreKind = "cosine",
    resolution: str | None = None,
    condition: str | None = None,
    protocol: str | None = None,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Calibration:
    """Fit a calibration by logistic regression, with equal total weight of genuine and impostor scores.

    Intervals are percentiles at level `confidence`, in (0, 1), of a bootstrap over people. The calibration is fitted
    again in each draw.

    Args:
        counted: the scores.
        recognizer: the recognizer that made them, from the metadata of a table of embeddings; may be empty.
        score: the kind of the scores.
        resolution: the resolution of the faces, only recorded.
        condition: the condition of the faces, only recorded.
        protocol: the protocol of the comparisons, such as `lr-hr`, only recorded.
        replicates: the number of bootstrap draws.
        confidence: the level of the intervals.
        seed: the seed of the draws.

    Raises:
        DataError: if fewer than `FEWEST_PEOPLE` people have genuine scores, or impostor scores are higher than genuine
            ones.
    """
    people, pairs = counted.units
    if people < FEWEST_PEOPLE:
        raise DataError(
            f"{people} people have genuine scores, but a calibration needs {FEWEST_PEOPLE}; give two photos each of "
            "more people"
        )
    intercept, slope = logistic_regression(counted.whole)[0].tolist()
    if slope <= 0:
        raise DataError(
            "impostor scores are higher than genuine ones; if these are distances, name the column distance; else "
            "check the identities"
        )
    scores = counted.whole.scores
    bounds = empirical_bounds(intercept + slope * scores, counted.whole, people, pairs)
    weights = counted.draw(replicates, seed)
    grouping = logistic_regression(counted.grouped) - [intercept, slope]
    starts = range(0, replicates, DRAWS_PER_PASS)
    drawn = [
        logistic_regression(counted.drawn(weights[start : start + DRAWS_PER_PASS])) - grouping
        for start in progress(starts, "calibrate", unit="pass")
    ]
    at = np.linspace(scores[0], scores[-1], POINTS)
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(np.concatenate(drawn) @ np.stack([np.ones_like(at), at]), [tail, 1 - tail], axis=0)
    line = Line(
        intercept=intercept,
        slope=slope,
        lowest=float(scores[0]),
        highest=float(scores[-1]),
        lower_bound=bounds.lower,
        upper_bound=bounds.upper,
    )
    found = report(line, counted, replicates, confidence, seed)
    return Calibration(
        format=1,
        kind="logistic",
        **named(recognizer),
        score=score,
        resolution=resolution,
        condition=condition,
        protocol=protocol,
        people=len(counted.people),
        genuine=counted.sizes[0],
        impostor=counted.sizes[1],
        line=line,
        interval=Interval(
            level=confidence,
            replicates=replicates,
            seed=seed,
            scores=tuple(at.tolist()),
            lo=tuple(lo.tolist()),
            hi=tuple(hi.tolist()),
        ),
        metrics=Metrics(**{name: Metric(**vars(estimate)) for name, estimate in found.metrics.items()}),
    )


def logistic_regression(counts: Counts) -> Floats:
    """Return the intercept and the slope of log10 LR over the score, for each row of counts: (R, K) to (R, 2).

    Genuine and impostor scores have equal total weight, so the prior odds are even and the log odds are the log LR.
    All rows take Newton steps together. scikit-learn's LogisticRegression gives the same result with these weights, but
    takes about a hundred times as long to fit 1,000 draws one by one.
    """
    genuine, impostor = counts.shares
    both = (genuine + impostor)[0] / 2
    centre = float(both @ counts.scores)
    spread = math.sqrt(float(both @ (counts.scores - centre) ** 2))
    x = (counts.scores - centre) / spread
    found = np.zeros((len(genuine), 2))
    for _ in range(MOST_STEPS):
        with np.errstate(over="ignore"):  # far below the others, exp is infinite, and the posterior 0
            posterior = 1 / (1 + np.exp(-(found @ np.stack([np.ones_like(x), x]))))
        residual = (posterior * (genuine + impostor) - genuine) / 2
        gradient = np.stack([residual.sum(axis=1), residual @ x + RIDGE * found[:, 1]], axis=1)
        weight = posterior * (1 - posterior) * (genuine + impostor) / 2
        across, squares = weight @ x, weight @ x**2 + RIDGE
        hessian = np.stack([weight.sum(axis=1) + RIDGE, across, across, squares], axis=1).reshape(-1, 2, 2)
        step = np.clip(np.linalg.solve(hessian, gradient[..., None])[..., 0], -LONGEST_STEP, LONGEST_STEP)
        found -= step
        if np.abs(step).max() < TOLERANCE:
            break
    slope = found[:, 1] / spread
    return np.stack([found[:, 0] - slope * centre, slope], axis=1) / math.log(10)
