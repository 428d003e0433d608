"""The definitions, against scikit-learn, pyeer and naive loops, and by their properties."""

import itertools
import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyeer import eer_stats
from sklearn.metrics import roc_auc_score, roc_curve

from ftlgan.errors import DataError
from ftlgan.verification.metrics import auc, curve, d_prime, det, eer, fnmr_at_fmr, roc
from ftlgan.verification.roc import Roc

# A coarse grid, so that genuine and impostor scores tie with each other and among themselves.
SCORES = st.lists(st.integers(-20, 20).map(lambda k: k / 20), min_size=2, max_size=30)
VARIED = SCORES.filter(lambda scores: len(set(scores)) > 1)


def two_gaussians(separation: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(separation, 1, size), generator.normal(0, 1, size)


def corners(roc: Roc, scores: int) -> set[tuple[int, int]]:
    """False and true matches at each corner of the curve of so many scores of each kind."""
    return {(round(scores * x), round(scores * y)) for x, y in zip(roc.fmr, roc.tmr, strict=True)}


@given(VARIED, VARIED)
def test_d_prime_is_its_formula(genuine: list[float], impostor: list[float]) -> None:
    mean, variance = statistics.fmean, statistics.pvariance
    naive = abs(mean(genuine) - mean(impostor)) / math.sqrt((variance(genuine) + variance(impostor)) / 2)
    assert d_prime(genuine, impostor) == pytest.approx(naive, abs=1e-9)


@given(SCORES, SCORES)
def test_auc_is_that_of_scikit_learn_with_ties_counted_half(genuine: list[float], impostor: list[float]) -> None:
    labels = [1] * len(genuine) + [0] * len(impostor)
    assert auc(genuine, impostor) == pytest.approx(roc_auc_score(labels, genuine + impostor), abs=1e-9)
    wins = [(g > i) + 0.5 * (g == i) for g in genuine for i in impostor]
    assert auc(genuine, impostor) == pytest.approx(statistics.fmean(wins), abs=1e-12)


@given(SCORES, SCORES)
def test_eer_is_where_the_straight_lines_between_all_thresholds_have_equal_rates(
    genuine: list[float], impostor: list[float]
) -> None:
    rates = [(0.0, 1.0)]
    for threshold in sorted({*genuine, *impostor}, reverse=True):
        rates.append((float(np.mean(np.array(impostor) >= threshold)), float(np.mean(np.array(genuine) < threshold))))
    crossings: list[float] = []
    for (fmr, fnmr), (next_fmr, next_fnmr) in itertools.pairwise(rates):
        gap, next_gap = fmr - fnmr, next_fmr - next_fnmr
        if gap <= 0 <= next_gap:
            share = -gap / (next_gap - gap)
            crossings.append(fmr + share * (next_fmr - fmr))
    assert crossings == pytest.approx([crossings[0]] * len(crossings))
    assert eer(genuine, impostor) == pytest.approx(crossings[0], abs=1e-9)


@given(SCORES, SCORES, st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_fnmr_at_a_given_fmr_is_the_lowest_of_all_thresholds_that_keep_it(
    genuine: list[float], impostor: list[float], fmr: float
) -> None:
    """Where no genuine score ties with an impostor score."""
    raised, many = np.array(genuine) + 0.001, np.repeat(impostor, 100)
    kept = [t for t in {*raised, *many, math.inf} if np.mean(many >= t) <= fmr]
    assert fnmr_at_fmr(raised, many, fmr) == pytest.approx(min(np.mean(raised < t) for t in kept))


@pytest.mark.parametrize(("impostors", "supported"), [(999, False), (1000, True)])
def test_fnmr_needs_ten_expected_false_matches(impostors: int, supported: bool) -> None:
    scores = [0.5, 0.6], np.linspace(0, 0.4, impostors)
    if supported:
        assert fnmr_at_fmr(*scores, 0.01) == 0
        return
    with pytest.raises(
        DataError, match=r"FNMR at FMR 0.01 can't be estimated: 999 impostor scores make 9.99 false matches"
    ):
        fnmr_at_fmr(*scores, 0.01)


def test_the_curve_is_that_of_scikit_learn() -> None:
    genuine, impostor = (np.round(scores, 2) for scores in two_gaussians(1, 500))
    labels = np.repeat([1, 0], 500)
    scores = np.concatenate([genuine, impostor])
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    theirs = {(round(500 * x), round(500 * y)) for x, y in zip(fpr, tpr, strict=True)}
    assert corners(curve(genuine, impostor), 500) <= theirs
    assert auc(genuine, impostor) == pytest.approx(np.trapezoid(tpr, fpr), abs=1e-12), "none is missing"


def test_a_det_curve_is_the_roc_curve_in_errors() -> None:
    scores = two_gaussians(1, 500)
    for (fmr, tmr), (same_fmr, fnmr) in zip(
        zip(*roc(*scores), strict=True), zip(*det(*scores), strict=True), strict=True
    ):
        assert (same_fmr, fnmr) == (fmr, 1 - tmr)


def test_all_metrics_are_those_of_pyeer() -> None:
    """Its functions; its one-call report imports `pkg_resources`, which setuptools no longer has (since 82)."""
    genuine, impostor = two_gaussians(2, 2000)
    _, fmr, fnmr = eer_stats.calculate_roc(genuine, impostor)
    theirs = {(round(2000 * x), round(2000 * (1 - y))) for x, y in zip(fmr, fnmr, strict=True)}
    assert corners(curve(genuine, impostor), 2000) - theirs == {(0, 0)}
    assert auc(genuine, impostor) == pytest.approx(eer_stats.calculate_roc_auc(fmr, fnmr), abs=1e-9)
    decidability = eer_stats.get_decidability_value(genuine.mean(), genuine.std(), impostor.mean(), impostor.std())
    assert d_prime(genuine, impostor) == pytest.approx(decidability, abs=1e-9)
    _, low, high, _ = eer_stats.get_eer_values(fmr, fnmr)
    assert low - 1e-9 <= eer(genuine, impostor) <= high + 1e-9
    assert high - low <= 1 / 2000
    for rate in (0.1, 0.01):
        assert fnmr_at_fmr(genuine, impostor, rate) == pytest.approx(eer_stats.get_fmr_op(fmr, fnmr, rate)[1], abs=1e-9)


@given(VARIED, VARIED, st.floats(0.1, 10), st.floats(-10, 10))
def test_metrics_do_not_depend_on_the_scale_of_the_scores(
    genuine: list[float], impostor: list[float], scale: float, shift: float
) -> None:
    def moved(scores: list[float]) -> np.ndarray:
        return scale * np.array(scores) + shift

    many = impostor * 100
    assert d_prime(moved(genuine), moved(impostor)) == pytest.approx(d_prime(genuine, impostor), rel=1e-6, abs=1e-6)
    assert auc(moved(genuine), moved(impostor)) == pytest.approx(auc(genuine, impostor))
    assert eer(moved(genuine), moved(impostor)) == pytest.approx(eer(genuine, impostor))
    assert fnmr_at_fmr(moved(genuine), moved(many), 0.1) == pytest.approx(fnmr_at_fmr(genuine, many, 0.1))


@given(VARIED, VARIED)
def test_exchanging_genuine_and_impostor_mirrors_the_metrics(genuine: list[float], impostor: list[float]) -> None:
    assert d_prime(impostor, genuine) == pytest.approx(d_prime(genuine, impostor))
    assert auc(impostor, genuine) == pytest.approx(1 - auc(genuine, impostor))
    assert eer(impostor, genuine) == pytest.approx(1 - eer(genuine, impostor))


@given(VARIED, VARIED)
def test_metrics_keep_within_their_bounds(genuine: list[float], impostor: list[float]) -> None:
    assert d_prime(genuine, impostor) >= 0
    assert 0 <= auc(genuine, impostor) <= 1
    assert 0 <= eer(genuine, impostor) <= 1
    lenient, strict = (fnmr_at_fmr(genuine, impostor * 100, fmr) for fmr in (0.5, 0.1))
    assert 0 <= lenient <= strict <= 1


@given(VARIED, VARIED, st.integers(0, 29), st.floats(0.01, 1))
def test_a_higher_genuine_score_makes_no_metric_of_the_curve_worse(
    genuine: list[float], impostor: list[float], row: int, rise: float
) -> None:
    def half_pairs_won(scores: list[float]) -> int:
        """The area under the curve is a whole number of them, which rounding does not hide."""
        return round(2 * len(scores) * len(impostor) * auc(scores, impostor))

    higher = [score + rise * (k == row % len(genuine)) for k, score in enumerate(genuine)]
    assert half_pairs_won(higher) >= half_pairs_won(genuine)
    assert eer(higher, impostor) <= eer(genuine, impostor) + 1e-12


def test_perfect_separation_is_auc_1_and_eer_0() -> None:
    assert auc([0.9, 0.8], [0.1, 0.2, 0.3]) == 1
    assert eer([0.9, 0.8], [0.1, 0.2, 0.3]) == 0


@pytest.mark.parametrize("separation", [0.5, 1.099, 2.112, 3.049])
def test_two_gaussians_have_the_auc_and_eer_that_their_d_prime_implies(separation: float) -> None:
    genuine, impostor = two_gaussians(separation, 40_000)
    phi = statistics.NormalDist().cdf
    assert d_prime(genuine, impostor) == pytest.approx(separation, abs=0.03)
    assert auc(genuine, impostor) == pytest.approx(phi(separation / math.sqrt(2)), abs=0.005)
    assert eer(genuine, impostor) == pytest.approx(phi(-separation / 2), abs=0.005)
    at_one_percent = phi(statistics.NormalDist().inv_cdf(0.99) - separation)
    assert fnmr_at_fmr(genuine, impostor, 0.01) == pytest.approx(at_one_percent, abs=0.03)


@pytest.mark.parametrize("separation", [0, 2, 12])
def test_a_thinned_roc_is_made_of_corners_of_the_full_one_and_stays_near_it(separation: float) -> None:
    genuine, impostor = two_gaussians(separation, 5_000)
    fpr, tpr = roc(genuine, impostor, points=200)
    assert len(fpr) == len(tpr) <= 200
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()

    labels = np.repeat([1, 0], 5_000)
    full = roc_curve(labels, np.concatenate([genuine, impostor]), drop_intermediate=False)
    corners = {(round(5_000 * x), round(5_000 * y)) for x, y in zip(*full[:2], strict=True)}
    assert {(round(5_000 * x), round(5_000 * y)) for x, y in zip(fpr, tpr, strict=True)} <= corners
    horizontal, vertical = (
        np.abs(np.interp(full[1], tpr, fpr) - full[0]),
        np.abs(np.interp(full[0], fpr, tpr) - full[1]),
    )
    assert np.minimum(horizontal, vertical).max() < 0.02


def test_a_roc_is_dense_at_low_fmr() -> None:
    fpr, _ = roc(*two_gaussians(1, 10_000), points=400)
    assert np.sum(fpr <= 0.01) > 60


@pytest.mark.parametrize("metric", [d_prime, auc, eer, roc, det])
def test_useless_scores_are_refused_in_one_line(metric: Callable[..., object]) -> None:
    for genuine, impostor, message in (
        ([], [0.1, 0.2], r"genuine scores have shape \(0,\); give a row of at least \d"),
        ([0.1, 0.2], [], r"impostor scores have shape \(0,\)"),
        ([[0.1], [0.2]], [0.1, 0.2], r"genuine scores have shape \(2, 1\)"),
        ([0.1, 0.2], [0.1, math.nan, math.inf], "2 of 3 impostor scores are not finite"),
    ):
        with pytest.raises(DataError, match=message) as error:
            metric(genuine, impostor)
        assert "\n" not in str(error.value)


def test_d_prime_of_scores_that_do_not_vary_is_refused() -> None:
    with pytest.raises(DataError, match=r"genuine scores are all 0\.1, impostor scores all 0\.1"):
        d_prime([0.1] * 3, [0.1] * 7)
