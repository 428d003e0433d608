"""Calibration, beside loops that write it out, beside lir, and beside a model whose likelihood ratios are known."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lir.algorithms.bayeserror import elub
from lir.data.models import LLRData
from lir.metrics import cllr as lir_cllr
from lir.metrics import cllr_min as lir_cllr_min
from lir.plotting.expected_calibration_error import calculate_ece
from people import faces as faces_of
from people import holds, interval, photos, scores_of_known_d_prime
from sklearn.linear_model import LogisticRegression

from ftlgan.errors import DataError
from ftlgan.verification.calibration import counts as counting
from ftlgan.verification.calibration.counts import CountedScores, Counts, count_pairs, count_scores
from ftlgan.verification.calibration.fit import fit, logistic_regression
from ftlgan.verification.calibration.metrics import cllr, cost, cross_entropy, empirical_bounds, pav
from ftlgan.verification.calibration.model import Calibration, Line
from ftlgan.verification.calibration.report import report
from ftlgan.verification.pairs import AllPairs, Comparison
from ftlgan.verification.report import paired_difference

JUDGE = {"recognizer": "dlib", "sha256": "5" * 64}


def sample(people: int = 40, each: int = 4, d_prime: float = 2, seed: int = 0) -> Comparison:
    return scores_of_known_d_prime(people, each, d_prime, seed)


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    return fit(count_scores(sample()), JUDGE, "score", "14", "bicubic", "lr-hr", replicates=100)


def naive_cllr(genuine: np.ndarray, impostor: np.ndarray) -> float:
    same = sum(math.log2(1 + 10.0**-x) for x in genuine) / len(genuine)
    different = sum(math.log2(1 + 10.0**x) for x in impostor) / len(impostor)
    return (same + different) / 2


def counts_of(genuine: np.ndarray, impostor: np.ndarray) -> Counts:
    levels = np.unique(np.concatenate([genuine, impostor]))
    return Counts(levels, *(np.array([[np.sum(kind == x) for x in levels]], float) for kind in (genuine, impostor)))


def lir_data(genuine: np.ndarray, impostor: np.ndarray) -> LLRData:
    labels = np.repeat([1, 0], [len(genuine), len(impostor)])
    return LLRData(features=np.concatenate([genuine, impostor])[:, None], labels=labels)


ratios = st.lists(st.integers(-12, 12), min_size=1, max_size=30).map(lambda found: np.array(found) / 4)


@given(ratios, ratios)
def test_the_costs_are_those_of_a_loop_and_of_lir(genuine: np.ndarray, impostor: np.ndarray) -> None:
    counts, data = counts_of(genuine, impostor), lir_data(genuine, impostor)
    found, least = cost(counts.scores, counts)[0], cost(pav(counts), counts)[0]
    assert found == pytest.approx(naive_cllr(genuine, impostor), abs=1e-12)
    assert cllr(genuine, impostor) == pytest.approx(found, abs=1e-12)
    assert found == pytest.approx(lir_cllr(data), abs=1e-12)
    assert least == pytest.approx(lir_cllr_min(data), abs=1e-9)
    assert least <= found + 1e-12
    rising = pav(counts)[0]
    assert (rising[1:] >= rising[:-1]).all()


@given(ratios, ratios)
def test_bounds_of_independent_comparisons_and_the_cross_entropy_are_those_of_lir(
    genuine: np.ndarray, impostor: np.ndarray
) -> None:
    counts, data = counts_of(genuine, impostor), lir_data(genuine, impostor)
    labels = data.labels
    assert labels is not None
    bounds = empirical_bounds(counts.scores + 1e-4, counts, len(genuine), len(impostor))  # away from the steps
    assert (bounds.lower, bounds.upper) == pytest.approx(elub(data.llrs + 1e-4, labels), abs=1e-9)
    odds = np.array([-2, -0.5, 0, 1])
    expected = calculate_ece(10**data.llrs, labels, 10**odds / (1 + 10**odds))
    assert cross_entropy(counts.scores, counts, odds) == pytest.approx(expected, abs=1e-12)
    assert cross_entropy(counts.scores, counts, np.zeros(1))[0] == pytest.approx(cllr(genuine, impostor))


def test_pav_by_hand() -> None:
    counts = Counts(np.arange(4.0), np.array([[0, 2, 1, 1.0]]), np.array([[2, 0, 2, 0.0]]))
    # Impostors alone; then 2 of 4 genuine and none of 4 impostors stand below 1 and 2, and are pooled; genuine alone.
    assert pav(counts)[0] == pytest.approx([-np.inf, np.log10(3 / 2), np.log10(3 / 2), np.inf])


def test_all_draws_at_once_are_fitted_as_by_scikit_learn() -> None:
    counted = count_scores(sample())
    draws = counted.drawn(counted.draw(5, seed=1))
    x, labels = np.tile(draws.scores, 2)[:, None], np.repeat([1, 0], len(draws.scores))
    for found, genuine, impostor in zip(logistic_regression(draws), *draws.shares, strict=True):
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        model.fit(x, labels, sample_weight=np.concatenate([genuine, impostor]))
        assert found * np.log(10) == pytest.approx([*np.ravel(model.intercept_), *np.ravel(model.coef_)], rel=1e-4)


def true_log_lr(scores: np.ndarray, d_prime: float) -> np.ndarray:
    """Return the log10 LR of scores, where genuine ones are N(d', 1) and impostor ones N(0, 1)."""
    return (d_prime * scores - d_prime**2 / 2) / np.log(10)


def test_a_known_model_is_found_and_other_people_are_calibrated() -> None:
    calibration = fit(count_scores(sample(150, 4, seed=1)), JUDGE, "score", replicates=200)
    found = calibration.apply(scores := np.linspace(-1, 3, 9))
    free = ~found.bounded
    assert free.sum() > 4
    truth = true_log_lr(scores, 2)
    assert found.log10[free] == pytest.approx(truth[free], abs=0.15)
    others = report(calibration.line, count_scores(sample(150, 4, seed=2)), 200)
    assert 0 <= others.metrics["cllr_cal"].value < 0.02
    generator = np.random.default_rng(0)
    genuine, impostor = 2 + generator.normal(size=100_000), generator.normal(size=100_000)
    assert holds(others.metrics["cllr"], cllr(true_log_lr(genuine, 2), true_log_lr(impostor, 2)))


def test_intervals_are_neither_empty_nor_idle() -> None:
    found = [fit(count_scores(sample(40, 3, seed=k)), JUDGE, "score", replicates=100).apply([1]) for k in range(8)]
    lo, hi = (np.concatenate([getattr(ratios, end) for ratios in found]) for end in ("lo", "hi"))
    assert np.count_nonzero((lo <= 0) & (hi >= 0)) >= 5  # the LR of a score halfway is 1
    assert np.count_nonzero((lo[:-1] <= 0.3) & (hi[:-1] >= 0.3)) <= 2  # and not 2


def test_draws_are_those_of_the_pairs_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = sample(12, 3)
    monkeypatch.setattr(counting, "GROUPS", 10_000)  # so many that a group is a score
    counted = count_scores(scores)
    found = report(line := fit(counted, JUDGE, "score", replicates=100).line, counted, replicates=100, seed=3)
    log_lr = [line.log_lr(line.seen(kind)) for kind in (scores.genuine, scores.impostor)]
    one, other = scores.impostor_persons
    for replicate in range(0, 100, 10):
        weights = found.replicates.weights[replicate].astype(int)
        times = weights[scores.genuine_person], weights[one] * weights[other]
        expected = naive_cllr(*(np.repeat(kind, often) for kind, often in zip(log_lr, times, strict=True)))
        assert found.replicates.metrics["cllr"][replicate] == pytest.approx(expected, abs=1e-3)
    for name, estimate in found.metrics.items():
        assert interval(estimate) == pytest.approx(np.quantile(found.replicates.metrics[name], [0.025, 0.975]))
    assert found.metrics["cllr"].value == pytest.approx(naive_cllr(*log_lr), abs=1e-12)


def test_groups_a_stream_and_weights_to_first_order_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    lr, hr, who = photos(60, 4, noise=1)
    pairs = AllPairs(faces_of(lr, who), faces_of(hr, who))

    def calibrated() -> tuple[CountedScores, Calibration]:
        counted = count_pairs(pairs)
        return counted, fit(counted, JUDGE, replicates=300)

    counted, exact = calibrated()
    assert counted.by_pairs
    for name, value in {"MOST_EXACT": 1000, "GROUPS": 70}.items():
        monkeypatch.setattr(counting, name, value)
    few, streamed = calibrated()
    assert few.by_pairs
    assert len(few.group_scores) <= 70
    assert few.sizes == counted.sizes == pairs.counts
    monkeypatch.setattr(counting, "MOST_CELLS", 60_000)  # less than 64 groups of 1770 pairs of people
    first_order, projected = calibrated()
    assert not first_order.by_pairs
    assert first_order.units == counted.units == (60, 1770)
    scores = np.linspace(exact.line.lowest, exact.line.highest, 20)
    for other, tolerance in ((streamed, 0.02), (projected, 0.1)):
        assert other.line.slope == pytest.approx(exact.line.slope, rel=1e-3)
        for name, metric in exact.metrics:
            assert getattr(other.metrics, name).value == pytest.approx(metric.value, abs=1e-3)
            assert getattr(other.metrics, name).hi == pytest.approx(metric.hi, abs=tolerance)
        assert other.apply(scores).hi == pytest.approx(exact.apply(scores).hi, abs=tolerance)


def test_nothing_is_said_beyond_what_was_seen(fitted: Calibration) -> None:
    line = fitted.line
    found = fitted.apply([line.lowest - 1, line.lowest, 1, line.highest, line.highest + 1])
    assert found.outside.tolist() == [True, False, False, False, True]
    assert found.bounded.tolist() == [True, True, False, True, True]
    assert found.log10[[0, 1, 3, 4]].tolist() == [line.lower_bound] * 2 + [line.upper_bound] * 2
    assert (np.diff(fitted.apply(np.linspace(-5, 7, 100)).log10) >= 0).all()
    assert ((found.lo <= found.log10) & (found.log10 <= found.hi)).all()
    with pytest.raises(DataError, match="1 of 2 scores are not finite"):
        fitted.apply([0, np.nan])


def test_scores_that_do_not_overlap_are_bounded_by_the_number_of_people() -> None:
    scores = sample(30, 2, d_prime=30)
    line = fit(count_scores(scores), JUDGE, "score", replicates=100).line
    assert (line.lower_bound, line.upper_bound) == pytest.approx((-np.log10(31), np.log10(436)), abs=0.02)
    assert line.log_lr(np.array([0.0, 30])).tolist() == [line.lower_bound, line.upper_bound]


def test_a_score_far_from_all_others_gives_no_warning() -> None:
    counts = counts_of(np.linspace(1, 1.3, 50), np.append(np.linspace(0, 0.3, 500), -1000))
    with np.errstate(over="raise"):
        assert logistic_regression(counts)[0, 1] > 0


def test_no_metric_and_no_end_of_an_interval_is_negative() -> None:
    for seed in range(5):
        counted = count_scores(sample(8, 3, d_prime=4, seed=seed))
        found = report(fit(counted, JUDGE, "score", replicates=100).line, counted, 200)
        for estimate in found.metrics.values():
            assert min(estimate.value, *interval(estimate)) >= 0


def test_two_calibrations_on_the_same_people_meet_the_same_draws(fitted: Calibration) -> None:
    counted, line = count_scores(sample()), fitted.line
    worse = line.model_copy(update={"intercept": line.intercept + 1})
    good, bad = (report(which, counted, 200) for which in (line, worse))
    lo, hi = interval(paired_difference(bad, good)["cllr"])
    assert 0 < lo < hi
    assert interval(paired_difference(bad, good)["cllr_min"]) == pytest.approx((0, 0), abs=0.01)


def test_a_file_comes_back_to_the_byte(fitted: Calibration, tmp_path: Path) -> None:
    fitted.save(tmp_path / "one.json")
    loaded = Calibration.load(tmp_path / "one.json")
    loaded.save(tmp_path / "two.json")
    assert loaded == fitted
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert loaded.recognizer == JUDGE
    assert (loaded.resolution, loaded.condition, loaded.protocol) == ("14", "bicubic", "lr-hr")


Damage = Callable[[dict[str, object]], object]


def put(section: str, name: str, value: object) -> Damage:
    def change(tree: dict[str, object]) -> object:
        part = tree[section]
        assert isinstance(part, dict)
        return part.update({name: value})

    return change


DAMAGES: dict[str, Damage] = {
    "line.slope is '-1.0': input should be greater than 0": put("line", "slope", -1.0),
    "line.slope is '3': input should be a valid number": put("line", "slope", "3"),
    "line: lowest is 9, not below highest": put("line", "lowest", 9.0),
    "line.upper_bound is '-0.1': input should be greater than or equal to 0": put("line", "upper_bound", -0.1),
    "interval: has 65 scores, 1 lo and 65 hi": put("interval", "lo", [1.0]),
    "interval: lo is above hi": put("interval", "lo", [1e6] * 65),
    "interval: scores do not rise": put("interval", "scores", [1.0] * 65),
    "format is '2': input should be 1": lambda tree: tree.update(format=2),
    "people is '0': input should be greater than or equal to 1": lambda tree: tree.update(people=0),
    "metrics is missing": lambda tree: tree.pop("metrics"),
    "colour: extra inputs are not permitted": lambda tree: tree.update(colour="red"),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_file_is_one_line(message: str, fitted: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    fitted.save(path)
    tree = json.loads(path.read_text())
    DAMAGES[message](tree)
    path.write_text(json.dumps(tree))
    with pytest.raises(DataError) as error:
        Calibration.load(path)
    assert str(error.value).startswith(f"{path}: is not a calibration: {message}")
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_or_no_json_is_one_line(fitted: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    fitted.save(path)
    for content in (path.read_bytes()[:100], b"\x80\x04K\x01.", b"", b"[]", b'{"format": NaN}'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"{path}: is not a calibration: .*; make it again with ftlgan calibrate"):
            Calibration.load(path)


def test_what_can_not_be_calibrated_is_refused() -> None:
    scores = sample()
    none = np.empty(0)
    for message, make in {
        "the identities are unknown": lambda: count_scores(Comparison((), *list(vars(scores).values())[1:])),
        "0 genuine and 12480 impostor scores": lambda: count_scores(
            Comparison(scores.people, none, scores.impostor, *nobody())
        ),
        "genuine and impostor scores are all 0.5": lambda: count_scores(
            Comparison(
                scores.people, 0 * scores.genuine + 0.5, 0 * scores.impostor + 0.5, *list(vars(scores).values())[3:]
            )
        ),
        "4 people have genuine scores, but a calibration needs 5": lambda: fit(count_scores(sample(4)), JUDGE),
        "impostor scores are higher than genuine ones": lambda: fit(count_scores(sample(d_prime=-2)), JUDGE),
    }.items():
        with pytest.raises(DataError, match=message):
            make()


def nobody() -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, np.int32), sample().impostor_persons


def test_a_line_is_within_its_bounds() -> None:
    line = Line(intercept=0.0, slope=1.0, lowest=-1.0, highest=1.0, lower_bound=-0.5, upper_bound=0.25)
    assert line.log_lr(line.seen(np.array([-3, -0.4, 0.1, 2]))).tolist() == [-0.5, -0.4, 0.1, 0.25]
