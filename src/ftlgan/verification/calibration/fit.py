"""Counts of scores -> a calibration: logistic regression with balanced priors, for all people and for draws of them."""

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
"""With genuine scores: fewer say more of themselves than of faces."""
RIDGE = 1e-8
"""Weight of the squared slope: too little to be seen, and enough to end where genuine and impostor scores do not
overlap and the slope has no limit."""
MOST_STEPS, LONGEST_STEP, TOLERANCE = 100, 4.0, 1e-10
POINTS = 65
"""Scores at which the interval is kept."""


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
    """Fit a calibration by logistic regression, genuine and impostor scores weighed alike.

    Intervals are percentiles at level `confidence`, in (0, 1), of a bootstrap over people, in each draw of which the
    calibration is fitted again.

    Args:
        counted: the scores.
        recognizer: who made them, as the metadata of a table of embeddings name it; may be empty.
        score: what the scores are.
        resolution: of the faces, in the caller's words, as the next two.
        condition: under which they were made small.
        protocol: which photos are compared, e.g. `lr-hr`.
        replicates: draws of people.
        confidence: of the intervals.
        seed: of the draws.

    Raises:
        DataError: fewer than `FEWEST_PEOPLE` people, or impostor scores that are higher than genuine ones.
    """
    people, pairs = counted.units
    if people < FEWEST_PEOPLE:
        raise DataError(
            f"{people} people have genuine scores, and a calibration needs {FEWEST_PEOPLE}; give two photos of each of "
            "more people"
        )
    intercept, slope = logistic_regression(counted.whole)[0].tolist()
    if slope <= 0:
        raise DataError(
            "impostor scores are the higher ones; are these distances, or are the identities wrong? Call the column of "
            "distances distance"
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

    With genuine and impostor scores weighed alike the prior odds are even, so that the log odds are the log LR. All
    rows take the steps of Newton together: as scikit-learn's LogisticRegression with these weights, which takes some
    hundred times as long to fit 1,000 draws one by one.
    """
    genuine, impostor = counts.shares
    both = (genuine + impostor)[0] / 2
    centre = float(both @ counts.scores)
    spread = math.sqrt(float(both @ (counts.scores - centre) ** 2))
    x = (counts.scores - centre) / spread
    found = np.zeros((len(genuine), 2))
    for _ in range(MOST_STEPS):
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
