"""The definitions of the metrics of genuine and impostor scores. Pure numpy, exact.

Scores are similarities, in any unit: an affine change of all of them changes no metric.
"""

import numpy as np
from numpy.typing import ArrayLike

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats, Ranks
from ftlgan.verification.roc import Roc

RESOLUTION = 1e-7
"""Cosines are computed in single precision: a smaller relative standard deviation is rounding."""
LEAST_ERRORS = 10
"""False matches that must be expected at a false match rate: a rate that stands for fewer is noise."""


def d_prime(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Decidability index |mean_g - mean_i| / sqrt((var_g + var_i) / 2), with population variances.

    Args:
        genuine: similarity scores of same-person pairs, shape (G,), G >= 2.
        impostor: similarity scores of different-person pairs, shape (I,), I >= 2.

    Raises:
        DataError: too few scores, scores that are not finite, or no variation in either kind.

    Source: Daugman, "The importance of being random", Pattern Recognition 36 (2003).
    """
    genuine, impostor = _scores(genuine, "genuine", least=2), _scores(impostor, "impostor", least=2)
    found = float(decidability(genuine.mean(), genuine.var(), impostor.mean(), impostor.var()))
    if np.isnan(found):
        raise DataError(no_variation(float(genuine.mean()), float(impostor.mean())))
    return found


def decidability(genuine_mean: Floats, genuine_var: Floats, impostor_mean: Floats, impostor_var: Floats) -> Floats:
    """Return d' of two means and population variances, each of any one shape; NaN where neither kind varies."""
    pooled = np.asarray((genuine_var + impostor_var) / 2)
    rounding = (RESOLUTION * np.maximum(np.abs(genuine_mean), np.abs(impostor_mean))) ** 2
    spread = np.sqrt(np.where(pooled > rounding, pooled, np.nan))
    return np.abs(genuine_mean - impostor_mean) / spread


def no_variation(genuine_mean: float, impostor_mean: float) -> str:
    """Say that the scores of neither kind vary, and what to do."""
    return (
        f"d' is undefined: genuine scores are all {genuine_mean:.4g}, impostor scores all {impostor_mean:.4g}; "
        "test more people, and check that the recognizer does not give every face the same embedding"
    )


def curve(genuine: ArrayLike, impostor: ArrayLike) -> Roc:
    """The ROC curve, with every corner. Takes and raises what `d_prime` does, but one score of each kind will do.

    Between two neighbouring genuine scores the curve is level, so its corners lie just above and at the genuine scores.
    """
    genuine, impostor = _scores(genuine, "genuine", least=1), _scores(impostor, "impostor", least=1)
    bins = Ranks(np.unique(genuine))
    return Roc.from_counts(*(np.bincount(bins(scores), minlength=bins.size) for scores in (genuine, impostor)))


def auc(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Area under the ROC curve: `Roc.auc` of `curve`."""
    return float(curve(genuine, impostor).auc())


def eer(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Equal error rate: `Roc.eer` of `curve`."""
    return float(curve(genuine, impostor).eer())


def fnmr_at_fmr(genuine: ArrayLike, impostor: ArrayLike, fmr: float) -> float:
    """False non-match rate at a given false match rate, in (0, 1): `Roc.fnmr_at` of `curve`.

    Raises:
        DataError: what `curve` raises, or too few impostor scores for that rate.
    """
    rates = curve(genuine, impostor)
    if reason := too_few_impostors(np.size(impostor), fmr):
        raise DataError(f"FNMR at FMR {fmr:g} is not given: {reason}")
    return float(rates.fnmr_at(fmr))


def too_few_impostors(impostors: int, fmr: float) -> str:
    """Why so many impostor scores do not support a false match rate; empty if they do."""
    expected = impostors * fmr
    if expected >= LEAST_ERRORS:
        return ""
    return f"{impostors} impostor scores make {expected:.3g} false matches, and {LEAST_ERRORS} are needed"


def roc(genuine: ArrayLike, impostor: ArrayLike, points: int = 400) -> tuple[Floats, Floats]:
    """The ROC curve for plotting, thinned by `Roc.thinned` to at most `points` corners.

    Returns:
        FMR (x) and 1 - FNMR (y), rising from (0, 0) to (1, 1).
    """
    thinned = curve(genuine, impostor).thinned(points, 1 / np.size(impostor))
    return thinned.fmr, thinned.tmr


def det(genuine: ArrayLike, impostor: ArrayLike, points: int = 400) -> tuple[Floats, Floats]:
    """The DET curve for plotting: the corners of `roc`, as errors.

    Returns:
        FMR (x), rising from 0 to 1, and FNMR (y), falling from 1 to 0.

    Source: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech (1997).
    """
    fmr, tmr = roc(genuine, impostor, points)
    return fmr, 1 - tmr


def _scores(scores: ArrayLike, kind: str, least: int) -> Floats:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or scores.size < least:
        raise DataError(f"{kind} scores have shape {scores.shape}: a row of at least {least} is needed")
    if not np.isfinite(scores).all():
        raise DataError(f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} {kind} scores are not finite")
    return scores
