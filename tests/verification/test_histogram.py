"""Counted scores: the stream beside the exact count, and memory that stays."""

import numpy as np
import pytest
from people import faces, photos

from ftlgan.errors import DataError
from ftlgan.verification import histogram as histograms
from ftlgan.verification import pairs as all_pairs
from ftlgan.verification.bootstrap import bootstrap, estimate_metrics
from ftlgan.verification.histogram import GRID, pair_histogram, score_histogram
from ftlgan.verification.metrics import auc, d_prime, eer, fnmr_at_fmr
from ftlgan.verification.pairs import AllPairs, Comparison, joined
from ftlgan.verification.report import report


def pairs(across: bool, people: int = 40) -> AllPairs:
    lr, hr, who = photos(people, 4, noise=1)
    return AllPairs(faces(lr, who), faces(hr, who) if across else None)


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison streams in small blocks."""
    monkeypatch.setattr(histograms, "MOST_EXACT", 0)
    monkeypatch.setattr(all_pairs, "SCORES_PER_BLOCK", 1000)


@pytest.mark.parametrize("across", [True, False])
def test_few_pairs_have_the_exact_metrics(across: bool) -> None:
    scores = joined(pairs(across).blocks())
    samples = scores.genuine, scores.impostor
    found = estimate_metrics(pair_histogram(pairs(across)), [0.01])
    exact = {"d_prime": d_prime(*samples), "auc": auc(*samples), "eer": eer(*samples)}
    assert found == pytest.approx(exact | {"fnmr_at_fmr_0.01": fnmr_at_fmr(*samples, 0.01)}, abs=1e-12)
    assert pair_histogram(pairs(across)).auc_error == 0


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.usefixtures("streamed")
def test_a_stream_counts_the_same_pairs_and_its_auc_is_within_the_error_that_it_reports(across: bool) -> None:
    scores = joined(pairs(across).blocks())
    exact, stream = score_histogram(scores), pair_histogram(pairs(across))
    assert stream.genuine.sum() == scores.genuine.size
    assert stream.impostor.sum() == scores.impostor.size
    one, other = estimate_metrics(exact, [0.01]), estimate_metrics(stream, [0.01])
    assert other["d_prime"] == pytest.approx(one["d_prime"], rel=1e-9)
    assert 0 < stream.auc_error < 1e-4
    assert abs(other["auc"] - one["auc"]) <= stream.auc_error
    assert other["eer"] == pytest.approx(one["eer"], abs=1e-3)
    assert other["fnmr_at_fmr_0.01"] == pytest.approx(one["fnmr_at_fmr_0.01"], abs=1e-2)


@pytest.mark.usefixtures("streamed")
def test_a_coarse_grid_reports_a_larger_error_and_keeps_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = joined(pairs(True).blocks())
    fine = pair_histogram(pairs(True)).auc_error
    monkeypatch.setattr(histograms, "GRID", GRID // 4096)
    coarse = pair_histogram(pairs(True))
    assert coarse.auc_error > 100 * fine
    assert abs(estimate_metrics(coarse, [])["auc"] - auc(scores.genuine, scores.impostor)) <= coarse.auc_error


@pytest.mark.parametrize("most_cells", [histograms.MOST_CELLS, 0])
@pytest.mark.usefixtures("streamed")
def test_the_draws_of_a_stream_are_those_of_the_exact_count(most_cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "MOST_CELLS", most_cells)
    exact, stream = score_histogram(joined(pairs(True).blocks())), pair_histogram(pairs(True))
    assert exact.by_pairs == stream.by_pairs == bool(most_cells)
    one, other = (bootstrap(counted, [0.01], replicates=100) for counted in (exact, stream))
    assert np.array_equal(one.weights, other.weights)
    for name, most in (("d_prime", 1e-6), ("auc", 0.1), ("eer", 0.5), ("fnmr_at_fmr_0.01", 0.5)):
        assert np.std(one.metrics[name] - other.metrics[name]) < most * one.metrics[name].std(), name


def test_density_is_counted_in_bins_that_do_not_depend_on_the_scores_and_integrates_to_one() -> None:
    centres, genuine, impostor = report(pair_histogram(pairs(True)), replicates=5).density
    assert centres == pytest.approx(np.arange(-0.995, 1, 0.01))
    assert genuine.sum() * 0.01 == pytest.approx(1)
    assert impostor.sum() * 0.01 == pytest.approx(1)


def test_a_cosine_rounded_beyond_one_is_not_lost_from_the_density() -> None:
    nobody = np.empty(0, np.int32)
    scores = Comparison((), np.array([1 + 1e-7, -1 - 1e-7]), np.array([0.0]), nobody, np.empty((2, 0), np.int32))
    genuine, _ = score_histogram(scores).density
    assert genuine[0] == genuine[-1] == 1


def test_large_scores_lose_no_digits() -> None:
    scores = joined(pairs(True).blocks())
    moved = Comparison(
        scores.people, scores.genuine + 1e6, scores.impostor + 1e6, scores.genuine_person, scores.impostor_persons
    )
    one, other = (bootstrap(score_histogram(each), [], replicates=10) for each in (scores, moved))
    assert other.metrics["d_prime"] == pytest.approx(one.metrics["d_prime"], rel=1e-6)


@pytest.mark.parametrize(("genuine", "impostor"), [([], [0.1]), ([0.1], [])])
def test_one_kind_of_score_is_refused(genuine: list[float], impostor: list[float]) -> None:
    nobody = np.empty(0, np.int32)
    with pytest.raises(DataError, match="verification needs both kinds"):
        score_histogram(Comparison((), np.array(genuine), np.array(impostor), nobody, np.empty((2, 0), np.int32)))
