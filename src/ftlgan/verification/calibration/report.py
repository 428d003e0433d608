"""Calibration, counts -> metrics with intervals, and the data of the plots."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ftlgan.progress import progress
from ftlgan.verification.binning import Floats
from ftlgan.verification.bootstrap import DRAWS_PER_PASS, Replicates
from ftlgan.verification.calibration.counts import CountedScores, Counts
from ftlgan.verification.calibration.metrics import cost, cross_entropy, pav
from ftlgan.verification.calibration.model import Line
from ftlgan.verification.report import Estimate, with_interval
from ftlgan.verification.roc import Roc

PRIORS = np.linspace(-3, 3, 121)
"""The prior log10 odds of one person at which the empirical cross-entropy is shown."""


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """The report on a calibration and some people."""

    people: int
    genuine: int
    impostor: int
    """The number of scores of each kind."""
    outside: int
    """The number of scores outside the range of the fit."""
    metrics: Mapping[str, Estimate]
    """The metrics by name: cllr, cllr_min, cllr_cal, eer."""
    entropy: Floats
    """The empirical cross-entropy at `PRIORS` of the calibration, of PAV, and of LR = 1, (3, N). It is computed from
    groups of scores (`ftlgan.verification.calibration.counts`)."""
    steps: tuple[Floats, Floats]
    """The score at which each step of PAV begins, and its log10 LR, which may be infinite, (S,) each."""
    replicates: Replicates


def report(
    line: Line, counted: CountedScores, replicates: int = 1000, confidence: float = 0.95, seed: int = 0
) -> CalibrationReport:
    """Report how good the log10 LRs of a calibration are, with percentile intervals from a bootstrap over people.

    The calibration is the same in all draws; PAV is computed again in each. The draws depend only on the seed, the
    people, and which of them have a genuine pair. Two calibrations or methods that are tested on the same photos get
    the same draws, and `ftlgan.verification.report.paired_difference` compares them draw by draw.

    Args:
        line: the line of a `ftlgan.verification.calibration.model.Calibration`.
        counted: the scores of the people, by the judge of the calibration.
        replicates: the number of bootstrap draws.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the draws.
    """
    best = pav(counted.whole)
    values = {name: float(value[0]) for name, value in _metrics(line, counted.whole).items()}
    weights = counted.draw(replicates, seed)
    grouped = _metrics(line, counted.grouped)
    starts = range(0, replicates, DRAWS_PER_PASS)
    passes = [
        _metrics(line, counted.drawn(weights[start : start + DRAWS_PER_PASS]))
        for start in progress(starts, "report", unit="pass")
    ]
    drawn = {
        name: np.concatenate([found[name] for found in passes]) - (grouped[name] - value)
        for name, value in values.items()
    }
    scores, groups = counted.whole.scores, counted.grouped
    shown = line.log_lr(line.seen(groups.scores)), pav(groups)[0], np.zeros_like(groups.scores)
    begins = np.flatnonzero(np.append(True, best[0, 1:] != best[0, :-1]))
    is_outside = line.seen(scores) != scores
    return CalibrationReport(
        people=len(counted.people),
        genuine=counted.sizes[0],
        impostor=counted.sizes[1],
        outside=int((counted.whole.genuine + counted.whole.impostor)[0, is_outside].sum()),
        # No metric is negative; a draw by groups may be, by its correction or by rounding.
        metrics={name: with_interval(value, np.maximum(drawn[name], 0), confidence) for name, value in values.items()},
        entropy=np.stack([cross_entropy(log_lr, groups, PRIORS) for log_lr in shown]),
        steps=(scores[begins], best[0, begins]),
        replicates=Replicates(counted.people, weights, drawn),
    )


def _metrics(line: Line, counts: Counts) -> dict[str, Floats]:
    """Return the metrics of each row of counts, (R,) each."""
    found, least = cost(line.log_lr(line.seen(counts.scores)), counts), cost(pav(counts), counts)
    eer = Roc.from_counts(counts.genuine, counts.impostor).eer()
    return {"cllr": found, "cllr_min": least, "cllr_cal": np.maximum(found - least, 0), "eer": eer}
