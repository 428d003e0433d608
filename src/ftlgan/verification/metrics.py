"""The definitions of the metrics of genuine and impostor scores, exact and in pure numpy.

Scores are similarities in any unit: scaling and shifting all of them changes no metric.
"""

import numpy as np
from numpy.typing import ArrayLike

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats, Ranks
from ftlgan.verification.roc import Roc

RESOLUTION = 1e-7
"""The relative standard deviation below which scores count as equal: cosines are computed in single precision."""
LEAST_ERRORS = 10
"""The fewest expected false matches at which FNMR is reported: with fewer, it is noise."""


def d_prime(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Return the decidability index |mean_g - mean_i| / sqrt((var_g + var_i) / 2), with population variances.

    Args:
        genuine: similarity scores of same-person pairs, shape (G,), G >= 2.
        impostor: similarity scores of different-person pairs, shape (I,), I >= 2.

    Raises:
        DataError: if there are too few scores, scores are not finite, or neither kind varies.

    Source: Daugman, "The importance of being random", Pattern Recognition 36 (2003).
    """
    genuine, impostor = _scores(genuine, "genuine", least=2), _scores(impostor, "impostor", least=2)
    found = float(decidability(genuine.mean(), genuine.var(), impostor.mean(), impostor.var()))
    if np.isnan(found):
        raise DataError(no_variation(float(genuine.mean()), float(impostor.mean())))
    return found


def decidability(genuine_mean: Floats, genuine_var: Floats, impostor_mean: Floats, impostor_var: Floats) -> Floats:
    """Return d' from means and population variances, all of one shape; NaN where neither kind varies."""
    pooled = np.asarray((genuine_var + impostor_var) / 2)
    rounding = (RESOLUTION * np.maximum(np.abs(genuine_mean), np.abs(impostor_mean))) ** 2
    spread = np.sqrt(np.where(pooled > rounding, pooled, np.nan))
    return np.abs(genuine_mean - impostor_mean) / spread


def no_variation(genuine_mean: float, impostor_mean: float) -> str:
    """Return a message that the scores of neither kind vary, and what to do."""
    return (
        f"d' is undefined: genuine scores are all {genuine_mean:.4g}, impostor scores all {impostor_mean:.4g}; "
        "test more people, and check that the recognizer does not give every face the same embedding"
    )


def curve(genuine: ArrayLike, impostor: ArrayLike) -> Roc:
    """Return the ROC curve with every corner.

    The arguments and errors are those of `d_prime`, but one score of each kind is enough. Between two neighboring
    genuine scores the curve is level, so its corners lie just above and at the genuine scores.
    """
    genuine, impostor = _scores(genuine, "genuine", least=1), _scores(impostor, "impostor", least=1)
    bins = Ranks(np.unique(genuine))
    return Roc.from_counts(*(np.bincount(bins(scores), minlength=bins.size) for scores in (genuine, impostor)))


def auc(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Return the area under the ROC curve: `Roc.auc` of `curve`."""
    return float(curve(genuine, impostor).auc())


def eer(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Return the equal error rate: `Roc.eer` of `curve`."""
    return float(curve(genuine, impostor).eer())


def fnmr_at_fmr(genuine: ArrayLike, impostor: ArrayLike, fmr: float) -> float:
    """Return the false non-match rate at a given false match rate in (0, 1): `Roc.fnmr_at` of `curve`.

    Raises:
        DataError: as `curve`, and if there are too few impostor scores for that rate.
    """
    rates = curve(genuine, impostor)
    if reason := too_few_impostors(np.size(impostor), fmr):
        raise DataError(f"FNMR at FMR {fmr:g} can't be estimated: {reason}")
    return float(rates.fnmr_at(fmr))


def too_few_impostors(impostors: int, fmr: float) -> str:
    """Return why a number of impostor scores is too small for a false match rate; empty if it is not."""
    expected = impostors * fmr
    if expected >= LEAST_ERRORS:
        return ""
    return f"{impostors} impostor scores make {expected:.3g} false matches, but {LEAST_ERRORS} are needed"


def roc(genuine: ArrayLike, impostor: ArrayLike, points: int = 400) -> tuple[Floats, Floats]:
    """Return the ROC curve for plotting, thinned by `Roc.thinned` to at most `points` corners.

    Returns:
        FMR (x) and 1 - FNMR (y), rising from (0, 0) to (1, 1).
    """
    thinned = curve(genuine, impostor).thinned(points, 1 / np.size(impostor))
    return thinned.fmr, thinned.tmr


def det(genuine: ArrayLike, impostor: ArrayLike, points: int = 400) -> tuple[Floats, Floats]:
    """Return the DET curve for plotting: the corners of `roc`, as error rates.

    Returns:
        FMR (x), rising from 0 to 1, and FNMR (y), falling from 1 to 0.

    Source: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech (1997).
    """
    fmr, tmr = roc(genuine, impostor, points)
    return fmr, 1 - tmr


def _scores(scores: ArrayLike, kind: str, least: int) -> Floats:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or scores.size < least:
        raise DataError(f"{kind} scores have shape {scores.shape}; give a row of at least {least}")
    if not np.isfinite(scores).all():
        raise DataError(f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} {kind} scores are not finite")
    return scores
