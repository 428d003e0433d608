"""Resampled people: the exact weights written out, the first order beside them, and how often an interval holds."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from people import holds, interval, metrics_of_two_gaussians, photos, scores_of_known_d_prime, unit

from ftlgan.errors import DataError
from ftlgan.verification import histogram as histograms
from ftlgan.verification.bootstrap import Replicates, bootstrap
from ftlgan.verification.histogram import score_histogram
from ftlgan.verification.metrics import auc, d_prime, eer, fnmr_at_fmr
from ftlgan.verification.pairs import Comparison, compare
from ftlgan.verification.report import Estimate, paired_difference, report


def resampled(comparison: Comparison, weights: np.ndarray) -> tuple[list[float], list[float]]:
    """The scores of one draw, written out: each as often as its people were drawn together."""
    genuine, impostor = [], []
    for score, person in zip(comparison.genuine, comparison.genuine_person, strict=True):
        genuine += [score] * int(weights[person])
    for score, (one, other) in zip(comparison.impostor, comparison.impostor_persons.T, strict=True):
        impostor += [score] * (int(weights[one]) * int(weights[other]))
    return genuine, impostor


@pytest.mark.parametrize("across", [True, False])
def test_bootstrap_metrics_are_those_of_the_scores_written_out(across: bool) -> None:
    probes, references, identities = photos(7, 3, noise=1)
    identities[-2:] = ["has one photo", "has one photo, too"]
    comparison = compare(probes, references if across else None, identities)
    draws = bootstrap(score_histogram(comparison), [0.2], replicates=20, seed=3)
    for replicate, weights in enumerate(draws.weights):
        scores = resampled(comparison, weights)
        found = {name: values[replicate] for name, values in draws.metrics.items()}
        assert found["d_prime"] == pytest.approx(d_prime(*scores), rel=1e-9)
        assert found["auc"] == pytest.approx(auc(*scores), abs=1e-12)
        assert found["eer"] == pytest.approx(eer(*scores), abs=1e-12)
        assert found["fnmr_at_fmr_0.2"] == pytest.approx(fnmr_at_fmr(*scores, 0.2), abs=1e-12)


def test_bootstrap_counts_ties_between_genuine_and_impostor_half() -> None:
    axes = np.eye(4, dtype=np.float32)
    comparison = compare(axes[[0, 1, 0, 1, 2, 0]], None, [*"AABBCC"])  # every cosine is 0 or 1
    draws = bootstrap(score_histogram(comparison), [], replicates=50)
    for weights, replicate in zip(draws.weights, draws.metrics["auc"], strict=True):
        assert replicate == pytest.approx(auc(*resampled(comparison, weights)), abs=1e-12)


def exact_and_other(people: int, patch: pytest.MonkeyPatch, **limits: int) -> tuple[Replicates, Replicates]:
    """Draws with exact weights and every corner of the curve, and with limits set lower."""
    scores = scores_of_known_d_prime(people, 3, 2, seed=0)
    exact = bootstrap(score_histogram(scores), [0.01], replicates=300)
    for name, value in limits.items():
        patch.setattr(histograms, name, value)
    return exact, bootstrap(score_histogram(scores), [0.01], replicates=300)


def test_grouping_the_scores_hardly_moves_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs_of_people = 60 * 59 // 2
    exact, grouped = exact_and_other(60, monkeypatch, MOST_CELLS=100 * pairs_of_people)
    assert grouped.metrics["d_prime"] == pytest.approx(exact.metrics["d_prime"], rel=1e-12)
    for name, values in exact.metrics.items():
        assert np.std(grouped.metrics[name] - values) < 0.15 * values.std(), name
        assert grouped.metrics[name].std() == pytest.approx(values.std(), rel=0.05), name


def test_draws_to_first_order_agree_with_the_exact_ones_for_many_people(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, first = exact_and_other(200, monkeypatch, MOST_CELLS=0)
    for name in exact.metrics:
        one, other = exact.metrics[name], first.metrics[name]
        assert np.corrcoef(one, other)[0, 1] > 0.95, name
        assert other.std() == pytest.approx(one.std(), rel=0.1), name
        assert other.mean() == pytest.approx(one.mean(), abs=0.2 * one.std()), name


def test_a_draw_takes_as_many_people_as_there_are_with_replacement() -> None:
    weights = bootstrap(score_histogram(compare(*photos(20, 2, noise=1))), [], replicates=500).weights
    assert (weights.sum(axis=1) == 20).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(20), abs=0.2)
    assert weights.var() == pytest.approx(1 - 1 / 20, abs=0.05)


def test_every_draw_of_the_smallest_test_set_has_genuine_and_impostor_pairs() -> None:
    lr, hr, _ = photos(2, 2, noise=1)
    draws = bootstrap(score_histogram(compare(lr[:3], hr[:3], [*"AAB"])), [], replicates=50)
    assert (draws.weights == 1).all()
    assert np.isfinite(draws.metrics["d_prime"]).all()


def test_every_draw_of_a_short_list_of_pairs_has_both_kinds() -> None:
    generator, person = np.random.default_rng(0), np.arange(6, dtype=np.int32)
    pairs = Comparison(
        (*"ABCDEF",), generator.random(6), generator.random(2), person, np.array([[0, 2], [1, 3]], np.int32)
    )
    draws = bootstrap(score_histogram(pairs), [], replicates=200)
    assert ((draws.weights[:, :2] > 0).all(axis=1) | (draws.weights[:, 2:4] > 0).all(axis=1)).all()
    assert all(np.isfinite(values).all() for values in draws.metrics.values())


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    counted = score_histogram(compare(*photos(10, 2, noise=1)))
    one, same, other = (bootstrap(counted, [], replicates=20, seed=seed) for seed in (1, 1, 2))
    assert all(one.metrics[name].tobytes() == same.metrics[name].tobytes() for name in one.metrics)
    assert not np.array_equal(one.weights, other.weights)


def test_a_report_has_the_same_bits_whatever_the_number_of_threads() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from people import scores_of_known_d_prime as scores;"
        "from ftlgan.verification.report import report; from ftlgan.verification.histogram import score_histogram;"
        "print(report(score_histogram(scores(80, 4, 2, 0))).metrics)"
    )

    def printed(threads: str) -> str:
        command = [sys.executable, "-c", code, str(Path(__file__).parent)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert "d_prime" in printed("1")
    assert printed("1") == printed("2")


def test_a_bootstrap_of_faces_that_all_have_one_embedding_is_refused() -> None:
    embeddings = np.tile(unit(np.arange(1.0, 9)), (6, 1))
    with pytest.raises(DataError, match="check that the recognizer does not give every face the same embedding"):
        report(score_histogram(compare(embeddings, None, [*"AABBCC"])), replicates=5)


def small_list(*rows: tuple[float, str, str]) -> Comparison:
    """Scored pairs of people."""
    names = sorted({name for _, *pair in rows for name in pair})
    genuine, impostor = ([row for row in rows if (row[1] == row[2]) is same] for same in (True, False))
    return Comparison(
        tuple(names),
        np.array([score for score, *_ in genuine]),
        np.array([score for score, *_ in impostor]),
        np.array([names.index(one) for _, one, _ in genuine], np.int32),
        np.array([[names.index(pair[side]) for _, *pair in impostor] for side in (0, 1)], np.int32),
    )


def test_a_draw_whose_scores_do_not_vary_never_takes_the_estimate() -> None:
    rows = [(0.8, "a", "a"), (0.7, "b", "b"), (0.2, "a", "b"), (0.3, "a", "c"), (0.25, "a", "d"), (0.22, "b", "c")]
    found = report(score_histogram(small_list(*rows)), replicates=200)
    assert found.metrics["auc"] == Estimate(1, 1, 1)
    assert found.metrics["d_prime"].value == pytest.approx(d_prime([0.8, 0.7], [0.2, 0.3, 0.25, 0.22]))
    assert found.undefined_draws.keys() == {"d_prime"}
    assert 20 < found.undefined_draws["d_prime"] < 200
    assert found.metrics["d_prime"].lo is None


def test_a_few_draws_that_do_not_define_a_metric_are_left_out_of_its_interval_and_counted() -> None:
    people = "abcdefg"
    rows = [(0.8 + k / 100, who, who) for k, who in enumerate(people[:3])]
    rows += [(k * j / 100, one, other) for k, one in enumerate(people) for j, other in enumerate(people) if k < j]
    found = report(score_histogram(small_list(*rows)), replicates=2000)
    draws = bootstrap(score_histogram(small_list(*rows)), [], replicates=2000).metrics["d_prime"]
    defined = draws[~np.isnan(draws)]
    assert found.undefined_draws == {"d_prime": 2000 - len(defined)}
    assert (found.metrics["d_prime"].lo, found.metrics["d_prime"].hi) == tuple(np.quantile(defined, [0.025, 0.975]))


def test_scores_of_which_neither_kind_varies_have_every_metric_but_d_prime() -> None:
    found = report(score_histogram(small_list((0.8, "a", "a"), (0.2, "a", "b"))), replicates=100)
    assert found.metrics["auc"].value == 1
    assert "d_prime" not in found.metrics
    assert "genuine scores are all 0.8, impostor scores all 0.2" in found.absent["d_prime"]


def test_a_report_holds_the_metrics_of_all_scores_and_the_quantiles_of_the_replicates() -> None:
    comparison = compare(*photos(15, 3, noise=1))
    scores = comparison.genuine, comparison.impostor
    draws = bootstrap(score_histogram(comparison), [0.01], replicates=200, seed=5).metrics
    found = report(score_histogram(comparison), replicates=200, confidence=0.9, seed=5)
    assert (found.people, found.genuine, found.impostor) == (15, 15 * 3 * 2, 45 * 42)
    values = {"d_prime": d_prime(*scores), "auc": auc(*scores), "eer": eer(*scores)}
    values["fnmr_at_fmr_0.01"] = fnmr_at_fmr(*scores, 0.01)
    assert {name: estimate.value for name, estimate in found.metrics.items()} == pytest.approx(values)
    for name, estimate in found.metrics.items():
        lo, hi = interval(estimate)
        assert (lo, hi) == pytest.approx(tuple(np.quantile(draws[name], [0.05, 0.95])))
        assert lo < estimate.value < hi


def test_a_false_match_rate_that_too_few_impostors_stand_for_is_absent_with_the_reason() -> None:
    found = report(score_histogram(compare(*photos(15, 3, noise=1))), replicates=5)
    assert found.absent == {"fnmr_at_fmr_0.001": "1890 impostor scores make 1.89 false matches, but 10 are needed"}
    assert found.scalars()["fnmr_at_fmr_0.001"] is None


def test_scores_of_nobody_in_particular_have_metrics_and_no_intervals() -> None:
    nobody = np.empty(0, np.int32)
    found = report(
        score_histogram(Comparison((), np.array([0.9, 0.5]), np.array([0.1, 0.6]), nobody, np.empty((2, 0), np.int32)))
    )
    assert found.metrics["auc"].value == 0.75
    assert found.metrics["auc"].lo is None


@pytest.mark.parametrize("first_order", [False, True])
def test_the_interval_covers_a_known_truth_about_as_often_as_it_says(
    first_order: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four metrics of Gaussian scores follow from d'; the fuller table: tests/benchmarks/coverage.py."""
    if first_order:
        monkeypatch.setattr(histograms, "MOST_CELLS", 0)
    truth = metrics_of_two_gaussians(2, 0.01)
    covered = Counter[str]()
    for seed in range(60):
        found = report(score_histogram(scores_of_known_d_prime(40, 3, 2, seed)), replicates=200, seed=seed, fmrs=[0.01])
        covered.update(name for name, estimate in found.metrics.items() if holds(estimate, truth[name]))
    assert set(covered) == set(truth)
    assert all(51 <= count <= 60 for count in covered.values()), covered


def test_pairing_cancels_what_two_methods_owe_to_the_same_people() -> None:
    identities = photos(40, 3, noise=0)[2]
    better, baseline = (
        report(score_histogram(compare(*photos(40, 3, noise)[:2], identities)), 300) for noise in (0.8, 0.9)
    )
    difference = paired_difference(better, baseline)
    for name, estimate in difference.items():
        assert estimate.value == better.metrics[name].value - baseline.metrics[name].value
        assert holds(estimate, estimate.value)
    assert interval(difference["d_prime"])[0] > 0
    lowest, highest = interval(better.metrics["d_prime"])[0], interval(baseline.metrics["d_prime"])[1]
    assert lowest < highest, "their intervals overlap, yet they differ"
    lo, hi = interval(difference["auc"])
    assert interval(paired_difference(baseline, better)["auc"]) == pytest.approx((-hi, -lo))


def test_a_method_does_not_differ_from_itself() -> None:
    found = report(score_histogram(compare(*photos(10, 2, noise=1))), replicates=50)
    for estimate in paired_difference(found, found).values():
        assert (estimate.value, estimate.lo, estimate.hi) == (0, 0, 0)


@pytest.mark.parametrize(("replicates", "seed", "name"), [(50, 1, "person"), (40, 0, "person"), (50, 0, "other")])
def test_only_the_same_draws_of_the_same_people_can_be_paired(replicates: int, seed: int, name: str) -> None:
    lr, hr, identities = photos(10, 2, noise=1)
    found = report(score_histogram(compare(lr, hr, identities)), replicates=50, seed=0)
    other = report(
        score_histogram(compare(lr, hr, [who.replace("person", name) for who in identities])), replicates, seed=seed
    )
    with pytest.raises(DataError, match="report both methods on the same people with the same seed and replicates"):
        paired_difference(found, other)


def test_importing_verification_imports_nothing_heavy() -> None:
    heavy = {"torch", "sklearn", "scipy", "pandas", "matplotlib", "pyarrow"}
    code = f"import sys, ftlgan.verification.report; sys.exit(', '.join({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.strip() == ""
