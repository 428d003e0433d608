"""The definitions of the metrics, from counts of scores and their log10 likelihood ratios."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import isotonic_regression

from ftlgan.verification.binning import Floats
from ftlgan.verification.calibration.counts import Counts

STEP = 0.01
"""The resolution of a bound, in log10 LR."""


def cllr(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Return the cost of the log10 LRs of genuine (G,) and impostor comparisons (I,), in bits.

    Cllr is half the mean of log2(1 + 1 / LR) over the genuine ones plus half the mean of log2(1 + LR) over the others.

    Source: Brümmer & du Preez, Computer Speech and Language 20 (2006).
    """
    return float(np.mean(_bits(-np.asarray(genuine))) + np.mean(_bits(np.asarray(impostor)))) / 2


def cost(log_lr: Floats, counts: Counts) -> Floats:
    """Return the Cllr (R,) of counts (R, K), given the log10 LR of each step, (K,) or (R, K)."""
    return (_mean(_bits(-log_lr), counts.shares[0]) + _mean(_bits(log_lr), counts.shares[1])) / 2


def pav(counts: Counts) -> Floats:
    """Return the log10 LRs, rising with the score, that minimize Cllr on these counts, (R, K).

    They are infinite at the ends where only genuine or only impostor scores lie.

    Source: the pool adjacent violators algorithm; for calibration, Brümmer & du Preez (2006).
    """
    log_lr = np.empty_like(counts.genuine)
    for row, (genuine, impostor) in enumerate(zip(*counts.shares, strict=True)):
        drawn = genuine + impostor > 0
        total = (genuine + impostor)[drawn]
        posterior = isotonic_regression(genuine[drawn] / total, sample_weight=total, y_min=0, y_max=1)
        with np.errstate(divide="ignore"):
            log_odds = np.log10(posterior) - np.log10(1 - posterior)
        # A step without scores in this draw gets the LR of the next lower one; the value does not matter.
        log_lr[row] = log_odds[np.maximum(np.cumsum(drawn) - 1, 0)]
    return log_lr


def cross_entropy(log_lr: Floats, counts: Counts, log_odds: Floats) -> Floats:
    """Return the empirical cross-entropy of counts (1, K) at prior log10 odds of one person (N,), in bits, (N,).

    At even odds it equals Cllr.

    Source: Ramos & Gonzalez-Rodriguez, "Reliable support: measuring calibration of likelihood ratios", Forensic
    Science International 230 (2013).
    """
    prior = 1 / (1 + 10.0**-log_odds)
    genuine, impostor = (
        np.array([_mean(_bits(sign * (log_lr + odds)), share)[0] for odds in log_odds.tolist()])
        for sign, share in zip((-1, 1), counts.shares, strict=True)
    )
    return prior * genuine + (1 - prior) * impostor


@dataclass(frozen=True)
class Bounds:
    """The lowest and the highest log10 LR that the data support."""

    lower: float
    upper: float


def empirical_bounds(log_lr: Floats, counts: Counts, genuine_units: int, impostor_units: int) -> Bounds:
    """Return the empirical lower and upper bounds (ELUB) of rising log10 LRs (K,) of counts (1, K).

    Accepting where LR > t costs 1 for each missed genuine comparison and t for each accepted impostor comparison,
    averaged over the comparisons of each kind. The bounds enclose the t at which the LRs cost at most as much as
    LR = 1, although one misleading comparison of each kind with the worst LR is added.

    The method assumes independent comparisons. Comparisons that share a person are not independent. So a unit here is
    all comparisons of one person (genuine) or of one pair of people (impostor), and one misleading unit is added. If
    each comparison is a unit, the bounds are those of the method and of `lir.algorithms.bayeserror.elub`.

    Args:
        log_lr: the log10 LR of each step, (K,).
        counts: the counts of all scores, (1, K).
        genuine_units: the number of people with genuine comparisons.
        impostor_units: the number of pairs of people with impostor comparisons.

    Source: Vergeer, van Es, de Jongh, Alberink & Stoel, "Numerical likelihood ratios outputted by LR systems are often
    based on extrapolation: when to stop extrapolating?", Science and Justice 56 (2016).
    """
    lowest = max(float(log_lr[0]), -math.log10(genuine_units + 1))
    highest = min(float(log_lr[-1]), math.log10(impostor_units + 1))
    steps = np.arange(min(0, math.floor(lowest / STEP)), max(0, math.floor(highest / STEP) + 1) + 1)
    threshold = steps * STEP
    rejected = np.searchsorted(log_lr, threshold, side="right")
    missed, refused = (np.concatenate([[0], np.cumsum(share[0])])[rejected] for share in counts.shares)
    missed = (genuine_units * missed + 1) / (genuine_units + 1)
    accepted = (impostor_units * (1 - refused) + 1) / (impostor_units + 1)
    useless = missed + 10.0**threshold * accepted > np.minimum(1, 10.0**threshold)
    below, above = threshold[useless & (threshold <= 0)] + STEP, threshold[useless & (threshold >= 0)] - STEP
    lower, upper = below.max(initial=threshold[0]), above.min(initial=threshold[-1])
    return Bounds(min(0.0, float(lower)), max(0.0, float(upper)))


def _bits(log_lr: Floats) -> Floats:
    """Return log2(1 + LR)."""
    return np.logaddexp(0, log_lr * math.log(10)) / math.log(2)


def _mean(values: Floats, shares: Floats) -> Floats:
    """Return means over the steps (R,), of values (K,) or (R, K) weighted by shares (R, K). inf * 0 counts as 0."""
    if np.isfinite(values).all() and values.ndim == 1:
        return shares @ values
    return (np.where(shares > 0, values, 0) * shares).sum(axis=1)
