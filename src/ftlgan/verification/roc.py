"""The ROC curve and the metrics read off it."""

from dataclasses import dataclass

import numpy as np

from ftlgan.verification.binning import Floats, Ints


@dataclass(frozen=True, eq=False)
class Roc:
    """ROC curves at falling thresholds, with points joined by straight lines. Leading axes hold several curves."""

    fmr: Floats
    """False match rate, (..., K), rising from 0 to 1."""
    tmr: Floats
    """True match rate 1 - FNMR, (..., K), rising from 0 to 1."""

    @classmethod
    def from_counts(cls, genuine: Floats | Ints, impostor: Floats | Ints) -> "Roc":
        """Return the curve of scores counted in bins, (..., B) each, with a corner between any two bins."""
        return cls(_cumulated_shares(impostor), _cumulated_shares(genuine))

    def auc(self) -> Floats:
        """Return the AUC: the probability that a genuine score exceeds an impostor score, ties counted half, (...,).

        Source: Hanley & McNeil, "The meaning and use of the area under a ROC curve", Radiology 143 (1982).
        """
        return np.asarray(np.trapezoid(self.tmr, self.fmr, axis=-1))

    def eer(self) -> Floats:
        """Return the equal error rate: FMR where the curve has FMR = FNMR, (...,).

        It is not the mean of both rates at the nearest threshold, and not the (smaller) value on the convex hull.
        """
        surplus = self.fmr + self.tmr - 1  # rises from -1 to 1
        crossing = np.argmax(surplus >= 0, axis=-1)[..., None]
        (low, high), (start, stop) = (
            [np.take_along_axis(values, point, axis=-1)[..., 0] for point in (crossing - 1, crossing)]
            for values in (surplus, self.fmr)
        )
        return start + (stop - start) * -low / (high - low)

    def fnmr_at(self, fmr: float) -> Floats:
        """Return FNMR where the curve has a given FMR below 1, (...,); on a vertical step, the lowest FNMR.

        If no genuine and impostor scores tie there, this is the lowest FNMR of all thresholds whose FMR is at most the
        given one. At 0.01 it is the FMR100 of FVC and pyeer.
        """
        last = np.count_nonzero(self.fmr <= fmr, axis=-1)[..., None] - 1
        (x0, x1), (y0, y1) = (
            [np.take_along_axis(values, point, axis=-1)[..., 0] for point in (last, last + 1)]
            for values in (self.fmr, self.tmr)
        )
        return 1 - (y0 + (y1 - y0) * (fmr - x0) / (x1 - x0))

    def thinned(self, points: int, lowest: float) -> "Roc":
        """Return one curve for plotting, whose points are corners of the full curve, most of them at a low FMR.

        A corner is kept where the curve enters a new cell of FMR (logarithmic from `lowest` to 1) or of TMR (linear),
        so the thinned curve stays within about a cell of the full one.

        Args:
            points: the largest number of points to keep, >= 4.
            lowest: the FMR of a single false match.
        """
        cells = points // 2
        enters_fmr = np.searchsorted(self.fmr, lowest ** np.linspace(1, 0, cells))
        enters_tmr = np.searchsorted(self.tmr, np.linspace(0, 1, cells))
        kept = np.union1d(enters_fmr, enters_tmr)
        return Roc(self.fmr[kept], self.tmr[kept])


def _cumulated_shares(counts: Floats | Ints) -> Floats:
    """Return the share of scores in the k highest bins, for k = 0 to B: (..., B) to (..., B + 1)."""
    cumulated = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
    np.cumsum(counts[..., ::-1], axis=-1, out=cumulated[..., 1:])
    total = cumulated[..., -1:].copy()
    # A first-order bootstrap may give a bin a negative weight, but a rate must never fall.
    np.maximum.accumulate(cumulated, axis=-1, out=cumulated)
    return np.minimum(cumulated, total) / total
