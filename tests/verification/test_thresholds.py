"""Thresholds beside a loop over all scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import faces, photos

from ftlgan.verification import histogram as histograms
from ftlgan.verification.histogram import pair_histogram, score_histogram
from ftlgan.verification.pairs import AllPairs, Comparison, joined
from ftlgan.verification.report import report
from ftlgan.verification.thresholds import Levels, Threshold, threshold_at_eer, threshold_at_fmr

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


def rates(genuine: np.ndarray, impostor: np.ndarray, threshold: float) -> tuple[float, float]:
    """FMR and FNMR where scores >= threshold are accepted."""
    return float(np.mean(impostor >= threshold)), float(np.mean(genuine < threshold))


def by_loop(genuine: list[float], impostor: list[float], fmr: float | None) -> Threshold | None:
    """The lowest score at which FMR is at most the given one; None: at most FNMR."""
    for score in sorted({*genuine, *impostor}):
        false_matches, false_non_matches = rates(np.array(genuine), np.array(impostor), score)
        if false_matches <= (false_non_matches if fmr is None else fmr):
            return Threshold(score, false_matches, false_non_matches)
    return None


@given(SCORES, SCORES, st.floats(0.01, 0.99))
def test_a_threshold_is_the_lowest_score_that_suffices(genuine: list[float], impostor: list[float], fmr: float) -> None:
    levels = Levels.from_scores(np.array(genuine)), Levels.from_scores(np.array(impostor))
    assert threshold_at_fmr(*levels, fmr) == by_loop(genuine, impostor, fmr)
    assert threshold_at_eer(*levels) == by_loop(genuine, impostor, None)


def test_a_report_has_a_threshold_for_each_rate_that_it_gives() -> None:
    pairs = joined(AllPairs(*[faces(side, photos(20, 4, 1)[2]) for side in photos(20, 4, 1)[:2]]).blocks())
    found = report(score_histogram(pairs), replicates=5, fmrs=[0.1, 0.01, 1e-5])
    for fmr in (0.1, 0.01):
        expected = by_loop(pairs.genuine.tolist(), pairs.impostor.tolist(), fmr)
        assert found.thresholds[f"threshold_at_fmr_{fmr:g}"] == expected
        assert expected is not None
        assert expected.fnmr == pytest.approx(found.metrics[f"fnmr_at_fmr_{fmr:g}"].value)
    eer = found.thresholds["threshold_at_eer"]
    assert eer == by_loop(pairs.genuine.tolist(), pairs.impostor.tolist(), None)
    assert eer is not None
    assert eer.fmr == pytest.approx(found.metrics["eer"].value, abs=0.01)
    assert found.scalars()["threshold_at_eer"] == eer.score
    assert found.scalars()["threshold_at_fmr_1e-05"] is None


def test_the_rates_at_a_threshold_are_exact_where_scores_are_counted_in_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    lr, hr, who = photos(20, 4, noise=1)
    pairs = AllPairs(faces(lr, who), faces(hr, who))
    scores = joined(pairs.blocks())
    exact = report(pair_histogram(pairs), replicates=5, fmrs=[0.01])
    monkeypatch.setattr(histograms, "MOST_EXACT", 0)
    binned = report(pair_histogram(pairs), replicates=5, fmrs=[0.01])
    for name, threshold in binned.thresholds.items():
        one = exact.thresholds[name]
        assert threshold is not None
        assert one is not None
        assert (threshold.fmr, threshold.fnmr) == rates(scores.genuine, scores.impostor, threshold.score)
        assert abs(threshold.score - one.score) <= 2 / histograms.GRID
        assert ((threshold.score + 1) * histograms.GRID / 2).is_integer()


def test_where_the_highest_score_alone_exceeds_the_rate_there_is_no_threshold() -> None:
    nobody = np.empty(0, np.int32), np.empty((2, 0), np.int32)
    found = report(score_histogram(Comparison((), np.array([0.5, 0.9]), np.full(100, 0.9), *nobody)), fmrs=[0.1])
    assert found.thresholds == {"threshold_at_fmr_0.1": None, "threshold_at_eer": None}
