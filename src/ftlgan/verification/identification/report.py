"""Searches -> metrics and curves with confidence intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.bootstrap import DRAWS_PER_PASS, Replicates, Weights, draw_people
from ftlgan.verification.identification.metrics import (
    Threshold,
    false_negative_rates,
    identification_rates,
    threshold_at_fpir,
    too_few_non_mated,
)
from ftlgan.verification.identification.search import Searches
from ftlgan.verification.metrics import LEAST_ERRORS
from ftlgan.verification.report import Estimate, with_interval

RANKS = (1, 5, 20)
"""The ranks at which the identification rate is reported."""
FPIRS = (1e-2, 1e-1)
"""The false positive identification rates at which FNIR is reported."""
EVERY_RANK, CURVE_POINTS = 200, 200
"""The CMC has every rank up to `EVERY_RANK` and at most `CURVE_POINTS` beyond, the FNIR curve `CURVE_POINTS`."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric at many ranks or FPIRs, with its confidence interval at each."""

    at: Floats
    """The ranks or FPIRs, rising, (K,)."""
    value: Floats
    lo: Floats
    hi: Floats

    def between(self, first: float, last: float) -> "Curve":
        """Return the part of the curve between two ranks or FPIRs, both included."""
        kept = (self.at >= first) & (self.at <= last)
        return Curve(self.at[kept], self.value[kept], self.lo[kept], self.hi[kept])


@dataclass(frozen=True, eq=False)
class IdentificationReport:
    """The report on a gallery and probes."""

    people: int
    """The number of people whose searches are resampled."""
    searches: int
    """The number of searches in the closed set."""
    enrolled: int
    """The number of people in the gallery of the closed set."""
    mated: int
    non_mated: int
    """The number of searches of each kind in the open set."""
    open_enrolled: int
    """The number of people in the gallery of the open set."""
    metrics: Mapping[str, Estimate]
    """The metrics by name: `rank_K` for each rank, and `fnir_at_fpir_FPIR` for each FPIR."""
    absent: Mapping[str, str]
    """The metrics that can't be estimated, and why."""
    thresholds: Mapping[str, Threshold | None]
    """The thresholds by name: `threshold_at_fpir_FPIR`. None where FNIR at that FPIR is absent, or where even the
    highest score exceeds the rate."""
    cmc: Curve
    """The identification rate over the rank: every rank up to 200, thinned beyond."""
    fnir: Curve | None
    """FNIR over FPIR, from the lowest rate that the non-mated searches support; None if they support none."""
    replicates: Replicates


def rank_name(rank: int) -> str:
    """Return the name of a metric, such as `rank_5`."""
    return f"rank_{rank}"


def fnir_name(fpir: float) -> str:
    """Return the name of a metric, such as `fnir_at_fpir_0.01`."""
    return f"fnir_at_fpir_{fpir:g}"


def threshold_name(fpir: float) -> str:
    """Return the name of a threshold, such as `threshold_at_fpir_0.01`."""
    return f"threshold_at_fpir_{fpir:g}"


def report(
    closed: Searches,
    opened: Searches,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    ranks: Sequence[int] = RANKS,
    fpirs: Sequence[float] = FPIRS,
) -> IdentificationReport:
    """Report all metrics, with percentile intervals at level `confidence`, in (0, 1), from a bootstrap over people.

    The bootstrap draws the people of the probes, each with all their searches. The gallery is the same in all draws.
    The draws depend only on the seed, these people, and which of them have mated and non-mated searches. Two methods
    that are tested on the same photos get the same draws, and `ftlgan.verification.report.paired_difference` compares
    them draw by draw.

    FNIR is reported at those `fpirs` that have enough non-mated searches, and the identification rate at those `ranks`
    that are less than the number of people.
    """
    once = np.ones((1, len(closed.people)), np.uint8)
    non_mated = int(np.count_nonzero(~opened.mated))
    absent = _no_ranks(ranks, closed.enrolled) | _no_rates(fpirs, non_mated)
    curve_ranks, curve_rates = _curve_ranks(closed, ranks), _curve_rates(non_mated, fpirs)
    weights = draw_people(len(closed.people), replicates, seed, lambda some: _has_all_kinds(closed, opened, some))

    def rates(some: Weights) -> Floats:
        return identification_rates(closed, curve_ranks, some)

    def errors(some: Weights) -> Floats:
        return false_negative_rates(opened, curve_rates, some)

    cmc, cmc_draws = rates(once)[0], _by_passes(rates, weights)
    fnir, fnir_draws = errors(once)[0], _by_passes(errors, weights)
    columns = {rank_name(rank): (cmc, cmc_draws, int(np.searchsorted(curve_ranks, rank))) for rank in ranks}
    columns |= {fnir_name(fpir): (fnir, fnir_draws, int(np.searchsorted(curve_rates, fpir))) for fpir in fpirs}
    present = {name: column for name, column in columns.items() if name not in absent}
    return IdentificationReport(
        people=len(closed.people),
        searches=len(closed.rank),
        enrolled=closed.enrolled,
        mated=len(opened.rank) - non_mated,
        non_mated=non_mated,
        open_enrolled=opened.enrolled,
        metrics={
            name: with_interval(float(values[k]), draws[:, k], confidence)
            for name, (values, draws, k) in present.items()
        },
        absent=absent,
        thresholds={
            threshold_name(fpir): None if fnir_name(fpir) in absent else threshold_at_fpir(opened, fpir)
            for fpir in fpirs
        },
        cmc=_curve(curve_ranks.astype(np.float64), cmc, cmc_draws, confidence).between(1, closed.enrolled),
        fnir=_curve(curve_rates, fnir, fnir_draws, confidence).between(LEAST_ERRORS / non_mated, 1)
        if non_mated >= LEAST_ERRORS
        else None,
        replicates=Replicates(closed.people, weights, {name: draws[:, k] for name, (_, draws, k) in present.items()}),
    )


def _no_ranks(ranks: Sequence[int], enrolled: int) -> dict[str, str]:
    reason = f"the gallery has only {enrolled} people, so every mate has that rank or better"
    return {rank_name(rank): reason for rank in ranks if rank >= enrolled}


def _no_rates(fpirs: Sequence[float], non_mated: int) -> dict[str, str]:
    return {fnir_name(fpir): reason for fpir in fpirs if (reason := too_few_non_mated(non_mated, fpir))}


def refuse_rates_below_one(fpirs: Sequence[float], non_mated: int) -> None:
    """Refuse a rate that is less than one of the non-mated searches.

    Raises:
        DataError: if there is one.
    """
    for fpir in fpirs:
        if fpir * non_mated < 1:
            raise DataError(
                f"FPIR {fpir:g} is below one in {non_mated} non-mated searches ({1 / non_mated:.2g}); give a higher "
                "rate, or more non-mated probes"
            )


def _curve_ranks(closed: Searches, ranks: Sequence[int]) -> Ints:
    """Return ranks from 1 to the number of people, thinned beyond `EVERY_RANK`, and all of `ranks`."""
    last = closed.enrolled
    thinned = np.geomspace(min(EVERY_RANK, last), last, CURVE_POINTS).round().astype(np.int64)
    return np.unique(np.concatenate([np.arange(1, min(EVERY_RANK, last) + 1), thinned, ranks]))


def _curve_rates(non_mated: int, fpirs: Sequence[float]) -> Floats:
    """Return thinned FPIRs from the lowest supported one to 1, and all of `fpirs`."""
    positives = np.geomspace(min(LEAST_ERRORS, non_mated), non_mated, CURVE_POINTS).round()
    return np.unique(np.concatenate([positives / non_mated, fpirs]))


def _has_all_kinds(closed: Searches, opened: Searches, weights: Weights) -> np.ndarray:
    """Return which draws have searches in the closed set, and mated and non-mated ones in the open set, (K,)."""
    kinds = (closed.person, opened.person[opened.mated], opened.person[~opened.mated])
    return np.all([weights[:, np.unique(person)].any(axis=1) for person in kinds], axis=0)


def _by_passes(rates: Callable[[Weights], Floats], weights: Weights) -> Floats:
    return np.concatenate([rates(weights[k : k + DRAWS_PER_PASS]) for k in range(0, len(weights), DRAWS_PER_PASS)])


def _curve(at: Floats, value: Floats, draws: Floats, confidence: float) -> Curve:
    tail = (1 - confidence) / 2
    return Curve(at, value, *np.quantile(draws, [tail, 1 - tail], axis=0))
