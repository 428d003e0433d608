"""Calibration, counts -> metrics with intervals, and what the plots show."""

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
"""Prior log10 odds of one person at which the empirical cross-entropy is shown."""


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """What is reported of a calibration and some people."""

    people: int
    genuine: int
    impostor: int
    """Scores of each kind."""
    outside: int
    """Scores outside the range on which the calibration was fitted."""
    metrics: Mapping[str, Estimate]
    """By name: cllr, cllr_min, cllr_cal, eer."""
    entropy: Floats
    """The empirical cross-entropy at `PRIORS`: of the calibration, after PAV, and of LR = 1, (3, N). Of
    groups of scores: see `ftlgan.verification.calibration.counts`."""
    steps: tuple[Floats, Floats]
    """The scores at which each step of PAV begins, and its log10 LR, which may be infinite, (S,) each."""
    replicates: Replicates


def report(
    line: Line, counted: CountedScores, replicates: int = 1000, confidence: float = 0.95, seed: int = 0
) -> CalibrationReport:
    """Report how good the log10 LRs of a calibration are, with percentile intervals from a bootstrap over people.

    The calibration stays as it is. The draws depend on nothing but the people, who of them has a genuine pair, and the
    seed: two calibrations, or two methods, that are tested on the same photos meet the same draws, and
    `ftlgan.verification.report.paired_difference` compares them draw by draw. PAV is done again in each draw.

    Args:
        line: of `ftlgan.verification.calibration.model.Calibration`.
        counted: the scores of the people, by the judge of the calibration.
        replicates: draws of people.
        confidence: level of the intervals, in (0, 1).
        seed: of the draws.
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
        metrics={name: with_interval(value, drawn[name], confidence) for name, value in values.items()},
        entropy=np.stack([cross_entropy(log_lr, groups, PRIORS) for log_lr in shown]),
        steps=(scores[begins], best[0, begins]),
        replicates=Replicates(counted.people, weights, drawn),
    )


def _metrics(line: Line, counts: Counts) -> dict[str, Floats]:
    """The metrics of each row of counts, (R,) each."""
    found, least = cost(line.log_lr(line.seen(counts.scores)), counts), cost(pav(counts), counts)
    eer = Roc.from_counts(counts.genuine, counts.impostor).eer()
    return {"cllr": found, "cllr_min": least, "cllr_cal": found - least, "eer": eer}
