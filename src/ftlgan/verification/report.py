"""Tallies -> figures with intervals, and the difference of two methods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats
from ftlgan.verification.bootstrap import Replicates, bootstrap, figures, fnmr_name
from ftlgan.verification.merits import too_few_impostors
from ftlgan.verification.roc import Roc
from ftlgan.verification.tally import DENSITY_BINS, Tally

FMRS = (1e-2, 1e-3)
"""False match rates at which the false non-match rate is asked for."""
ROC_POINTS = 400


@dataclass(frozen=True)
class Figure:
    """A figure of merit and its interval, which is None if it is not known who is compared."""

    value: float
    lo: float | None
    hi: float | None


@dataclass(frozen=True, eq=False)
class Merits:
    """What is reported of one method, judge and protocol."""

    people: int
    """0 if it is not known who is compared."""
    genuine: int
    impostor: int
    """Scores of each kind."""
    figures: Mapping[str, Figure]
    """By name: d_prime, auc, eer, and `fnmr_at_fmr_FMR` for each FMR."""
    absent: Mapping[str, str]
    """Figures that there is no ground for, and why."""
    auc_error: float
    """What counting in bins can change in the AUC at most; 0: it is exact."""
    roc: Roc
    """Thinned."""
    density: tuple[Floats, Floats, Floats]
    """Centres of equal bins of [-1, 1], and densities of genuine and of impostor scores, which integrate to 1."""
    first_order: bool
    """Whether the intervals are of a bootstrap to first order."""
    replicates: Replicates | None
    """None if it is not known who is compared."""

    def scalars(self) -> dict[str, float | None]:
        """Counts and figures as a row of a table, see `columns`."""
        counts = {"people": self.people, "genuine": self.genuine, "impostor": self.impostor}
        return {**counts, **columns(self.figures, self.absent)}


def columns(figures: Mapping[str, Figure], absent: Iterable[str]) -> dict[str, float | None]:
    """Figures as columns of a table, NAME, NAME_lo, NAME_hi, to six digits: more than the intervals support."""
    present = {
        name + suffix: None if value is None else round(value, 6)
        for name, figure in figures.items()
        for suffix, value in (("", figure.value), ("_lo", figure.lo), ("_hi", figure.hi))
    }
    return present | {name + suffix: None for name in absent for suffix in ("", "_lo", "_hi")}


def report(
    tally: Tally, replicates: int = 1000, confidence: float = 0.95, seed: int = 0, fmrs: Sequence[float] = FMRS
) -> Merits:
    """All figures of merit, with percentile intervals at level `confidence`, in (0, 1), from a bootstrap over people.

    Methods that are to be compared need the same replicates and seed. FNMR is given at those `fmrs` that the number of
    impostor scores supports, intervals where it is known who is compared.

    Raises:
        DataError: scores that do not vary.
    """
    impostors = int(tally.impostor.sum())
    reasons = {fmr: too_few_impostors(impostors, fmr) for fmr in fmrs}
    supported = [fmr for fmr, reason in reasons.items() if not reason]
    values = figures(tally, supported)
    draws = bootstrap(tally, supported, replicates, seed) if tally.people else None
    return Merits(
        people=len(tally.people),
        genuine=int(tally.genuine.sum()),
        impostor=impostors,
        figures={
            name: _figure(value, draws.figures[name] if draws else None, confidence) for name, value in values.items()
        },
        absent={fnmr_name(fmr): reason for fmr, reason in reasons.items() if reason},
        auc_error=tally.auc_error,
        roc=tally.roc.thinned(ROC_POINTS, 1 / impostors),
        density=_density(tally),
        first_order=not tally.by_pairs,
        replicates=draws,
    )


def paired_difference(method: Merits, baseline: Merits, confidence: float = 0.95) -> dict[str, Figure]:
    """Method minus baseline, draw by draw: what both owe to the people who happened to be drawn cancels.

    An interval that excludes 0 is a difference; two overlapping intervals of `report` are no sign of none.

    Raises:
        DataError: the two were not drawn alike.
    """
    mine, theirs = method.replicates, baseline.replicates
    if not (mine and theirs and mine.people == theirs.people and np.array_equal(mine.weights, theirs.weights)):
        raise DataError(
            f"{method.people} and {baseline.people} people, {_count(mine)} and {_count(theirs)} replicates are not the "
            "same draws: report both methods on the same people with the same seed and replicates"
        )
    return {
        name: _figure(
            figure.value - baseline.figures[name].value, mine.figures[name] - theirs.figures[name], confidence
        )
        for name, figure in method.figures.items()
    }


def _count(replicates: Replicates | None) -> int:
    return len(replicates.weights) if replicates else 0


def _figure(value: float, draws: Floats | None, confidence: float) -> Figure:
    """With the central share `confidence` of the bootstrap distribution."""
    if draws is None:
        return Figure(value, None, None)
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(draws, [tail, 1 - tail])
    return Figure(value, float(lo), float(hi))


def _density(tally: Tally) -> tuple[Floats, Floats, Floats]:
    edges = np.linspace(-1, 1, DENSITY_BINS + 1)
    genuine, impostor = (counts / counts.sum() * (DENSITY_BINS / 2) for counts in tally.density)
    return (edges[:-1] + edges[1:]) / 2, genuine, impostor
