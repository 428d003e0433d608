import itertools
import math
import statistics
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from ftlgan.errors import DataError
from ftlgan.verification import (
    Comparison,
    auc,
    bootstrap,
    compare,
    d_prime,
    eer,
    paired_difference,
    report,
    roc,
    score_density,
)

# A coarse grid, so that genuine and impostor scores tie with each other and among themselves.
SCORES = st.lists(st.integers(-20, 20).map(lambda k: k / 20), min_size=2, max_size=30)
VARIED = SCORES.filter(lambda scores: len(set(scores)) > 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def photos(people: int, each: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Probes, references and identities: a person is a point, a photo is near it, a restored photo near the photo."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(people, 8)), each, axis=0)
    hr = centres + 0.5 * generator.normal(size=centres.shape)
    lr = hr + noise * generator.normal(size=centres.shape)
    return unit(lr), unit(hr), [f"person {row // each:03}" for row in range(people * each)]


def two_gaussians(separation: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(separation, 1, size), generator.normal(0, 1, size)


@given(VARIED, VARIED)
def test_d_prime_is_its_formula(genuine, impostor):
    mean, variance = statistics.fmean, statistics.pvariance
    naive = abs(mean(genuine) - mean(impostor)) / math.sqrt((variance(genuine) + variance(impostor)) / 2)
    assert d_prime(genuine, impostor) == pytest.approx(naive, abs=1e-9)


@given(SCORES, SCORES)
def test_auc_is_that_of_scikit_learn_with_ties_counted_half(genuine, impostor):
    labels = [1] * len(genuine) + [0] * len(impostor)
    assert auc(genuine, impostor) == pytest.approx(roc_auc_score(labels, genuine + impostor), abs=1e-9)
    wins = [(g > i) + 0.5 * (g == i) for g in genuine for i in impostor]
    assert auc(genuine, impostor) == pytest.approx(statistics.fmean(wins), abs=1e-12)


@given(SCORES, SCORES)
def test_eer_is_where_the_straight_lines_between_all_thresholds_have_equal_rates(genuine, impostor):
    rates = [(0.0, 1.0)]
    for threshold in sorted({*genuine, *impostor}, reverse=True):
        rates.append((np.mean(np.array(impostor) >= threshold), np.mean(np.array(genuine) < threshold)))
    crossings = []
    for (fmr, fnmr), (next_fmr, next_fnmr) in itertools.pairwise(rates):
        here, there = fmr - fnmr, next_fmr - next_fnmr
        if here <= 0 <= there:
            share = -here / (there - here)
            crossings.append(fmr + share * (next_fmr - fmr))
    assert crossings == pytest.approx([crossings[0]] * len(crossings))
    assert eer(genuine, impostor) == pytest.approx(crossings[0], abs=1e-9)


@given(VARIED, VARIED, st.floats(0.1, 10), st.floats(-10, 10))
def test_figures_do_not_depend_on_the_scale_of_the_scores(genuine, impostor, scale, shift):
    moved = [scale * np.array(scores) + shift for scores in (genuine, impostor)]
    assert d_prime(*moved) == pytest.approx(d_prime(genuine, impostor), rel=1e-6, abs=1e-6)
    assert auc(*moved) == pytest.approx(auc(genuine, impostor))
    assert eer(*moved) == pytest.approx(eer(genuine, impostor))


@given(VARIED, VARIED)
def test_exchanging_genuine_and_impostor_mirrors_the_figures(genuine, impostor):
    assert d_prime(impostor, genuine) == pytest.approx(d_prime(genuine, impostor))
    assert auc(impostor, genuine) == pytest.approx(1 - auc(genuine, impostor))
    assert eer(impostor, genuine) == pytest.approx(1 - eer(genuine, impostor))


@given(VARIED, VARIED)
def test_figures_keep_within_their_bounds(genuine, impostor):
    assert d_prime(genuine, impostor) >= 0
    assert 0 <= auc(genuine, impostor) <= 1
    assert 0 <= eer(genuine, impostor) <= 1


def test_perfect_separation_is_auc_1_and_eer_0():
    assert auc([0.9, 0.8], [0.1, 0.2, 0.3]) == 1
    assert eer([0.9, 0.8], [0.1, 0.2, 0.3]) == 0


@pytest.mark.parametrize("separation", [0.5, 1.099, 2.112, 3.049])
def test_two_gaussians_have_the_auc_and_eer_that_their_d_prime_implies(separation):
    genuine, impostor = two_gaussians(separation, 40_000)
    phi = statistics.NormalDist().cdf
    assert d_prime(genuine, impostor) == pytest.approx(separation, abs=0.03)
    assert auc(genuine, impostor) == pytest.approx(phi(separation / math.sqrt(2)), abs=0.005)
    assert eer(genuine, impostor) == pytest.approx(phi(-separation / 2), abs=0.005)


@pytest.mark.parametrize("separation", [0, 2, 12])
def test_a_thinned_roc_is_made_of_corners_of_the_full_one_and_stays_near_it(separation):
    genuine, impostor = two_gaussians(separation, 5_000)
    fpr, tpr = roc(genuine, impostor, points=200)
    assert len(fpr) == len(tpr) <= 200
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()

    labels = np.repeat([1, 0], 5_000)
    full = roc_curve(labels, np.concatenate([genuine, impostor]), drop_intermediate=False)
    corners = {(round(5_000 * x), round(5_000 * y)) for x, y in zip(*full[:2], strict=True)}
    assert {(round(5_000 * x), round(5_000 * y)) for x, y in zip(fpr, tpr, strict=True)} <= corners
    beside, below = np.abs(np.interp(full[1], tpr, fpr) - full[0]), np.abs(np.interp(full[0], fpr, tpr) - full[1])
    assert np.minimum(beside, below).max() < 0.02


def test_a_roc_is_dense_at_low_fmr():
    fpr, _ = roc(*two_gaussians(1, 10_000), points=400)
    assert np.sum(fpr <= 0.01) > 60


@given(SCORES, SCORES)
def test_score_densities_integrate_to_one_on_bins_that_do_not_depend_on_the_scores(genuine, impostor):
    score, genuine_density, impostor_density = score_density(genuine, impostor, bins=50)
    assert score == pytest.approx(np.arange(-0.98, 1, 0.04))
    assert genuine_density.sum() * 0.04 == pytest.approx(1)
    assert impostor_density.sum() * 0.04 == pytest.approx(1)


def test_a_cosine_rounded_beyond_one_is_not_lost_from_the_density():
    _, genuine, _ = score_density([1 + 1e-7, -1 - 1e-7], [0.0], bins=10)
    assert genuine[0] == genuine[-1] == pytest.approx(2.5)


@pytest.mark.parametrize("figure", [d_prime, auc, eer, roc, score_density])
def test_useless_scores_are_refused_in_one_line(figure):
    for genuine, impostor, message in (
        ([], [0.1, 0.2], r"genuine scores have shape \(0,\): a row of at least \d is needed"),
        ([0.1, 0.2], [], r"impostor scores have shape \(0,\)"),
        ([[0.1], [0.2]], [0.1, 0.2], r"genuine scores have shape \(2, 1\)"),
        ([0.1, 0.2], [0.1, math.nan, math.inf], "2 of 3 impostor scores are not finite"),
    ):
        with pytest.raises(DataError, match=message) as error:
            figure(genuine, impostor)
        assert "\n" not in str(error.value)


def test_d_prime_of_scores_that_do_not_vary_is_refused():
    with pytest.raises(DataError, match=r"genuine scores are all 0\.1, impostor scores all 0\.1"):
        d_prime([0.1] * 3, [0.1] * 7)


def pairs_by_loop(probes, references, identities, ordered: bool) -> tuple[list, list]:
    genuine, impostor = [], []
    for i, probe in enumerate(probes):
        for j, reference in enumerate(references):
            if i != j if ordered else i < j:
                who = (identities[i], identities[j])
                (genuine if who[0] == who[1] else impostor).append((float(probe @ reference), *who))
    return genuine, impostor


@pytest.mark.parametrize("across", [True, False])
def test_compare_scores_each_pair_of_different_photos_once(across):
    probes, references, _ = photos(5, 3, noise=1)
    identities = [*"CABBACADDBABCCA"]  # in no order, with unequal numbers of photos
    comparison = compare(probes, references if across else None, identities)
    genuine, impostor = pairs_by_loop(probes, references if across else probes, identities, ordered=across)
    assert comparison.people == ("A", "B", "C", "D")
    names = np.array(comparison.people)
    assert comparison.genuine == pytest.approx([score for score, _, _ in genuine], abs=1e-6)
    assert names[comparison.genuine_person].tolist() == [who for _, who, _ in genuine]
    assert comparison.impostor == pytest.approx([score for score, _, _ in impostor], abs=1e-6)
    assert [tuple(pair) for pair in names[comparison.impostor_persons]] == [tuple(who) for _, *who in impostor]


@pytest.mark.parametrize("across", [True, False])
def test_a_photo_never_meets_itself_nor_its_own_original(across):
    _, hr, identities = photos(6, 3, noise=0)
    comparison = compare(hr, hr if across else None, identities)
    assert comparison.genuine.max() < 0.9999 and comparison.impostor.max() < 0.9999
    assert comparison.genuine.size == 6 * 3 * 2 / (1 if across else 2)
    assert comparison.impostor.size == 6 * 3 * 5 * 3 / (1 if across else 2)


def bad_comparisons():
    lr, hr, who = photos(3, 2, noise=1)
    missing = lr.copy()
    missing[[2, 4], 1] = np.nan
    yield "nan", (missing, hr, who), r"probes: 2 of 6 embeddings are not finite .* first in row 2 \(length nan\)"
    yield "length", (lr, 2 * hr, who), r"references: 6 of 6 embeddings are .* not of unit length.*row 0 \(length 2\)"
    yield "zero", (lr, 0 * hr, who), r"references: 6 of 6 .*\(length 0\)"
    yield "rows", (lr[:-1], hr, who), r"probes have shape \(5, 8\): one row for each of the 6 identities is needed"
    yield "references", (lr, hr[:-1], who), r"references have shape \(5, 8\)"
    yield "flat", (lr[0], None, who), r"probes have shape \(8,\)"
    yield "dimensions", (lr, unit(hr[:, :4]), who), r"probes are \(6, 8\), references \(6, 4\): .* one recognizer"
    yield "one person", (lr, hr, ["A"] * 6), "6 photos of 1 people give no genuine or no impostor pair"
    yield "one photo each", (lr, hr, [*"ABCDEF"]), "6 photos of 6 people .* at least two photos of one of them"
    yield "nothing", (np.empty((0, 8)), None, []), "0 photos of 0 people"


@pytest.mark.parametrize(("arguments", "message"), [pytest.param(*case, id=name) for name, *case in bad_comparisons()])
def test_bad_embeddings_are_refused_in_one_line(arguments, message):
    with pytest.raises(DataError, match=message) as error:
        compare(*arguments)
    assert "\n" not in str(error.value)


def resampled(comparison: Comparison, weights: np.ndarray) -> tuple[list[float], list[float]]:
    """The scores of one draw, written out: each as often as its people were drawn together."""
    genuine, impostor = [], []
    for score, person in zip(comparison.genuine, comparison.genuine_person, strict=True):
        genuine += [score] * weights[person]
    for score, (one, other) in zip(comparison.impostor, comparison.impostor_persons, strict=True):
        impostor += [score] * (weights[one] * weights[other])
    return genuine, impostor


@pytest.mark.parametrize("across", [True, False])
def test_bootstrap_figures_are_those_of_the_scores_written_out(across):
    probes, references, identities = photos(7, 3, noise=1)
    identities[-2:] = ["has one photo", "has one photo, too"]
    comparison = compare(probes, references if across else None, identities)
    draws = bootstrap(comparison, replicates=20, seed=3)
    for weights, replicate_d_prime, replicate_auc in zip(draws.weights, draws.d_prime, draws.auc, strict=True):
        scores = resampled(comparison, weights)
        assert replicate_d_prime == pytest.approx(d_prime(*scores), rel=1e-9)
        assert replicate_auc == pytest.approx(auc(*scores), abs=1e-12)


def test_bootstrap_counts_ties_between_genuine_and_impostor_half():
    axes = np.eye(4, dtype=np.float32)
    comparison = compare(axes[[0, 1, 0, 1, 2, 0]], None, [*"AABBCC"])  # every cosine is 0 or 1
    draws = bootstrap(comparison, replicates=50)
    for weights, replicate in zip(draws.weights, draws.auc, strict=True):
        assert replicate == pytest.approx(auc(*resampled(comparison, weights)), abs=1e-12)


def test_a_draw_takes_as_many_people_as_there_are_with_replacement():
    comparison = compare(*photos(20, 2, noise=1))
    weights = bootstrap(comparison, replicates=500).weights
    assert (weights.sum(axis=1) == 20).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(20), abs=0.2)
    assert weights.var() == pytest.approx(1 - 1 / 20, abs=0.05)


def test_every_draw_of_the_smallest_test_set_has_genuine_and_impostor_pairs():
    lr, hr, _ = photos(2, 2, noise=1)
    draws = bootstrap(compare(lr[:3], hr[:3], [*"AAB"]), replicates=50)
    assert (draws.weights == 1).all() and np.isfinite(draws.d_prime).all()


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    comparison = compare(*photos(10, 2, noise=1))
    one, same, other = (bootstrap(comparison, replicates=20, seed=seed) for seed in (1, 1, 2))
    assert one.d_prime.tobytes() == same.d_prime.tobytes() and one.auc.tobytes() == same.auc.tobytes()
    assert not np.array_equal(one.weights, other.weights)


def test_a_bootstrap_of_faces_that_all_have_one_embedding_is_refused():
    faces = np.tile(unit(np.arange(1, 9)), (6, 1))
    with pytest.raises(DataError, match="check that the recognizer does not give every face the same embedding"):
        report(compare(faces, None, [*"AABBCC"]), replicates=5)


def test_a_report_holds_the_figures_of_all_scores_and_the_quantiles_of_the_replicates():
    comparison = compare(*photos(15, 3, noise=1))
    scores = comparison.genuine, comparison.impostor
    draws = bootstrap(comparison, replicates=200, seed=5)
    scalars = report(comparison, replicates=200, confidence=0.9, seed=5).scalars()
    assert scalars == pytest.approx(
        {
            **{"people": 15, "genuine": 15 * 3 * 2, "impostor": 45 * 42, "eer": eer(*scores)},
            **{"d_prime": d_prime(*scores), "auc": auc(*scores)},
            **{"d_prime_lo": np.quantile(draws.d_prime, 0.05), "d_prime_hi": np.quantile(draws.d_prime, 0.95)},
            **{"auc_lo": np.quantile(draws.auc, 0.05), "auc_hi": np.quantile(draws.auc, 0.95)},
        }
    )
    assert scalars["d_prime_lo"] < scalars["d_prime"] < scalars["d_prime_hi"]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    centres, noise = generator.normal(size=(2, 100_000, 8)), 0.5 * generator.normal(size=(4, 100_000, 8))
    photo = unit(np.stack([centres[0] + noise[0], centres[0] + noise[1], centres[1] + noise[2]]))
    truth = d_prime(np.sum(photo[0] * photo[1], axis=1), np.sum(photo[0] * photo[2], axis=1))
    covered = 0
    for seed in range(100):
        _, hr, identities = photos(30, 3, noise=0, seed=seed)
        figures = report(compare(hr, None, identities), replicates=200)
        covered += figures.d_prime_lo <= truth <= figures.d_prime_hi
    assert 86 <= covered <= 100


def test_pairing_cancels_what_two_methods_owe_to_the_same_people():
    identities = photos(40, 3, noise=0)[2]
    better, baseline = (report(compare(*photos(40, 3, noise)[:2], identities), 300) for noise in (0.8, 0.9))
    difference = paired_difference(better, baseline)
    assert difference.d_prime == better.d_prime - baseline.d_prime
    assert difference.auc == better.auc - baseline.auc
    assert 0 < difference.d_prime_lo <= difference.d_prime <= difference.d_prime_hi
    assert better.d_prime_lo < baseline.d_prime_hi, "the intervals of the two overlap, and yet they differ"
    mirrored = paired_difference(baseline, better)
    assert (mirrored.auc_lo, mirrored.auc_hi) == pytest.approx((-difference.auc_hi, -difference.auc_lo))


def test_a_method_does_not_differ_from_itself():
    figures = report(compare(*photos(10, 2, noise=1)), replicates=50)
    assert set(vars(paired_difference(figures, figures)).values()) == {0.0}


@pytest.mark.parametrize(("replicates", "seed", "name"), [(50, 1, "person"), (40, 0, "person"), (50, 0, "other")])
def test_only_the_same_draws_of_the_same_people_can_be_paired(replicates, seed, name):
    lr, hr, identities = photos(10, 2, noise=1)
    figures = report(compare(lr, hr, identities), replicates=50, seed=0)
    other = report(compare(lr, hr, [who.replace("person", name) for who in identities]), replicates, seed=seed)
    with pytest.raises(DataError, match="report both methods on the same people with the same seed and replicates"):
        paired_difference(figures, other)


def test_importing_verification_imports_nothing_heavy():
    heavy = {"torch", "sklearn", "scipy", "pandas", "matplotlib", "pyarrow"}
    code = f"import sys, ftlgan.verification; sys.exit(', '.join({heavy} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr.strip() == ""
    )
