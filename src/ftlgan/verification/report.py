"""Histograms -> metrics with confidence intervals, and differences between two methods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats
from ftlgan.verification.bootstrap import Replicates, bootstrap, estimate_metrics, fnmr_name
from ftlgan.verification.histogram import DENSITY_BINS, ScoreHistogram
from ftlgan.verification.metrics import RESOLUTION, no_variation, too_few_impostors
from ftlgan.verification.roc import Roc
from ftlgan.verification.thresholds import Threshold, threshold_at_eer, threshold_at_fmr

FMRS = (1e-2, 1e-3)
"""The false match rates at which FNMR is reported."""
ROC_POINTS = 400
MOST_UNDEFINED = 0.1
"""The largest share of draws in which a metric may be undefined. Beyond it, the other draws are not representative."""


@dataclass(frozen=True)
class Estimate:
    """A metric and its interval, None if the identities are unknown or the metric is undefined in too many draws."""

    value: float
    lo: float | None
    hi: float | None


class Resampled(Protocol):
    """A report on verification or identification."""

    @property
    def people(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, Estimate]: ...
    @property
    def replicates(self) -> Replicates | None: ...


@dataclass(frozen=True, eq=False)
class Report:
    """The report on one method, judge and protocol."""

    people: int
    """The number of people; 0 if the identities are unknown."""
    genuine: int
    impostor: int
    """The number of scores of each kind."""
    metrics: Mapping[str, Estimate]
    """The metrics by name: d_prime, auc, eer, and `fnmr_at_fmr_FMR` for each FMR."""
    absent: Mapping[str, str]
    """The metrics that can't be estimated, and why."""
    thresholds: Mapping[str, Threshold | None]
    """The thresholds by name: `threshold_at_fmr_FMR` for each FMR, and threshold_at_eer. None where the FNMR at that
    FMR is absent, or where even the highest score exceeds the rate."""
    undefined_draws: Mapping[str, int]
    """The number of draws in which a metric is undefined, by name, if there are any. The interval leaves them out; if
    their share exceeds `MOST_UNDEFINED`, there is no interval."""
    auc_error: float
    """The largest error of the AUC from counting in bins; 0 if it is exact."""
    roc: Roc
    """The thinned ROC curve."""
    density: tuple[Floats, Floats, Floats]
    """Centers of equal bins of [-1, 1], and the densities of genuine and impostor scores, which integrate to 1."""
    first_order: bool
    """Whether the bootstrap weighs impostor scores to first order."""
    replicates: Replicates | None
    """The draws; None if the identities are unknown."""

    def scalars(self) -> dict[str, float | None]:
        """Return counts, metrics and thresholds as a row of a table, see `columns`."""
        counts = {"people": self.people, "genuine": self.genuine, "impostor": self.impostor}
        thresholds = {name: found and found.score for name, found in self.thresholds.items()}
        return {**counts, **columns(self.metrics, self.absent), **thresholds}


def threshold_name(fmr: float) -> str:
    """Return the name of a threshold, such as `threshold_at_fmr_0.001`."""
    return f"threshold_at_fmr_{fmr:g}"


def columns(metrics: Mapping[str, Estimate], absent: Iterable[str]) -> dict[str, float | None]:
    """Return metrics as columns NAME, NAME_lo and NAME_hi of a table, to six digits; absent ones are None."""
    present = {
        name + suffix: None if value is None else round(value, 6)
        for name, estimate in metrics.items()
        for suffix, value in (("", estimate.value), ("_lo", estimate.lo), ("_hi", estimate.hi))
    }
    return present | {name + suffix: None for name in absent for suffix in ("", "_lo", "_hi")}


def report(
    histogram: ScoreHistogram,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    fmrs: Sequence[float] = FMRS,
) -> Report:
    """Report all metrics, with percentile intervals at level `confidence`, in (0, 1), from a bootstrap over people.

    To compare methods, report them with the same replicates and seed. FNMR is reported at those `fmrs` that have enough
    impostor scores. There are intervals only if the identities are known.

    Raises:
        DataError: if all scores are the same.
    """
    impostors = int(histogram.impostor.sum())
    reasons = {fmr: too_few_impostors(impostors, fmr) for fmr in fmrs}
    supported = [fmr for fmr, reason in reasons.items() if not reason]
    values = estimate_metrics(histogram, supported)
    absent = {fnmr_name(fmr): reason for fmr, reason in reasons.items() if reason}
    if np.isnan(values["d_prime"]):
        absent = {"d_prime": _no_d_prime(histogram)} | absent
        del values["d_prime"]
    draws = bootstrap(histogram, supported, replicates, seed) if histogram.people else None
    return Report(
        people=len(histogram.people),
        genuine=int(histogram.genuine.sum()),
        impostor=impostors,
        metrics={
            name: with_interval(value, draws.metrics[name] if draws else None, confidence)
            for name, value in values.items()
        },
        absent=absent,
        undefined_draws={name: count for name in values if (count := _undefined(draws and draws.metrics[name]))},
        thresholds=_thresholds(histogram, {fmr: not reason for fmr, reason in reasons.items()}),
        auc_error=histogram.auc_error,
        roc=histogram.roc.thinned(ROC_POINTS, 1 / impostors),
        density=_density(histogram),
        first_order=not histogram.by_pairs,
        replicates=draws,
    )


def paired_difference(method: Resampled, baseline: Resampled, confidence: float = 0.95) -> dict[str, Estimate]:
    """Return method minus baseline, draw by draw, so that variation common to both methods cancels.

    An interval that excludes 0 shows a difference. Overlapping intervals of `report` do not show that there is none.

    Raises:
        DataError: if the two reports do not have the same draws.
    """
    mine, theirs = method.replicates, baseline.replicates
    if not (mine and theirs and mine.people == theirs.people and np.array_equal(mine.weights, theirs.weights)):
        raise DataError(
            f"{method.people} and {baseline.people} people, {_count(mine)} and {_count(theirs)} replicates are not the "
            "same draws; report both methods on the same people with the same seed and replicates"
        )
    both = {name: estimate for name, estimate in method.metrics.items() if name in baseline.metrics}
    return {
        name: with_interval(
            estimate.value - baseline.metrics[name].value, mine.metrics[name] - theirs.metrics[name], confidence
        )
        for name, estimate in both.items()
    }


def _count(replicates: Replicates | None) -> int:
    return len(replicates.weights) if replicates else 0


def with_interval(value: float, draws: Floats | None, confidence: float) -> Estimate:
    """Return a metric with its interval: the central share `confidence` of its draws, (R,)."""
    if draws is None:
        return Estimate(value, None, None)
    if _undefined(draws) > MOST_UNDEFINED * len(draws):
        return Estimate(value, None, None)
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(draws[~np.isnan(draws)], [tail, 1 - tail])
    return Estimate(value, float(lo), float(hi))


def _undefined(draws: Floats | None) -> int:
    return 0 if draws is None else int(np.count_nonzero(np.isnan(draws)))


def _no_d_prime(histogram: ScoreHistogram) -> str:
    """Return why d' is undefined.

    Raises:
        DataError: if all scores are the same, so that no metric has a meaning.
    """
    genuine, impostor = (
        float(sums[0] / counts.sum() + histogram.centre)
        for sums, counts in (
            (histogram.genuine_sums, histogram.genuine),
            (histogram.impostor_sums, histogram.impostor),
        )
    )
    reason = no_variation(genuine, impostor)
    if abs(genuine - impostor) <= RESOLUTION * max(abs(genuine), abs(impostor)):
        raise DataError(reason)
    return reason


def _thresholds(histogram: ScoreHistogram, supported: Mapping[float, bool]) -> dict[str, Threshold | None]:
    levels = histogram.genuine_levels, histogram.impostor_levels
    at_fmr = {
        threshold_name(fmr): threshold_at_fmr(*levels, fmr) if given else None for fmr, given in supported.items()
    }
    return {**at_fmr, "threshold_at_eer": threshold_at_eer(*levels)}


def _density(histogram: ScoreHistogram) -> tuple[Floats, Floats, Floats]:
    edges = np.linspace(-1, 1, DENSITY_BINS + 1)
    genuine, impostor = (counts / counts.sum() * (DENSITY_BINS / 2) for counts in histogram.density)
    return (edges[:-1] + edges[1:]) / 2, genuine, impostor
