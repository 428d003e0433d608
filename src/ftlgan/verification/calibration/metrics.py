"""The definitions, of counts of scores and their log10 likelihood ratios."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import isotonic_regression

from ftlgan.verification.binning import Floats
from ftlgan.verification.calibration.counts import Counts

STEP = 0.01
"""The accuracy of a bound, in log10 LR."""


def cllr(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Return the cost of the log10 LRs of genuine (G,) and impostor comparisons (I,), in bits.

    Cllr is half the mean of log2(1 + 1 / LR) over the genuine ones and half that of log2(1 + LR) over the others.

    Source: Brümmer & du Preez, Computer Speech and Language 20 (2006).
    """
    return float(np.mean(_bits(-np.asarray(genuine))) + np.mean(_bits(np.asarray(impostor)))) / 2


def cost(log_lr: Floats, counts: Counts) -> Floats:
    """Return Cllr of counts (R, K), given the log10 LR of each step: (K,) or (R, K), to (R,)."""
    return (_mean(_bits(-log_lr), counts.shares[0]) + _mean(_bits(log_lr), counts.shares[1])) / 2


def pav(counts: Counts) -> Floats:
    """Return the log10 LRs, rising with the score, whose Cllr is the least that these counts allow: (R, K).

    They are infinite where only genuine or only impostor scores lie beyond.

    Source: the pool adjacent violators algorithm; for calibration, Brümmer & du Preez (2006).
    """
    log_lr = np.empty_like(counts.genuine)
    for row, (genuine, impostor) in enumerate(zip(*counts.shares, strict=True)):
        drawn = genuine + impostor > 0
        total = (genuine + impostor)[drawn]
        posterior = isotonic_regression(genuine[drawn] / total, sample_weight=total, y_min=0, y_max=1)
        with np.errstate(divide="ignore"):
            log_odds = np.log10(posterior) - np.log10(1 - posterior)
        # A step without scores in this draw has the LR of the next lower one, whatever it is: nothing weighs it.
        log_lr[row] = log_odds[np.maximum(np.cumsum(drawn) - 1, 0)]
    return log_lr


def cross_entropy(log_lr: Floats, counts: Counts, log_odds: Floats) -> Floats:
    """Return the empirical cross-entropy, in bits, at prior log10 odds of one person (N,): of counts (1, K), to (N,).

    At even odds it is Cllr.

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
    """The least and the greatest log10 LR that the data support."""

    lower: float
    upper: float


def empirical_bounds(log_lr: Floats, counts: Counts, genuine_units: int, impostor_units: int) -> Bounds:
    """Return the empirical lower and upper bounds (ELUB) of log10 LRs (K,) that rise, of counts (1, K).

    Whoever accepts where LR > t loses 1 by each genuine comparison that is missed and t by each impostor one that is
    accepted, shared out over the comparisons of a kind. The bounds enclose the t at which the LRs lose no more than
    LR = 1 does, though one misleading comparison of each kind, of the worst LR, is added.

    The method takes comparisons as independent. Those that share a person are not, so that a unit here is all that one
    person (genuine), or one pair of people (impostor), was compared, and a misleading unit is added. With as many
    units as comparisons the bounds are those of the method, and of `lir.algorithms.bayeserror.elub`.

    Args:
        log_lr: of each step, (K,).
        counts: of all scores, (1, K).
        genuine_units: number of people with genuine comparisons.
        impostor_units: number of pairs of people with impostor comparisons.

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
    """log2(1 + LR)."""
    return np.logaddexp(0, log_lr * math.log(10)) / math.log(2)


def _mean(values: Floats, shares: Floats) -> Floats:
    """Means over the steps: (K,) or (R, K), and (R, K), to (R,). What has no share may be infinite."""
    if np.isfinite(values).all() and values.ndim == 1:
        return shares @ values
    return (np.where(shares > 0, values, 0) * shares).sum(axis=1)
