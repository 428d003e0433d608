"""Identification, beside loops that write it out, and beside what others compute."""

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import faces, interval, photos, unit
from pyeer.cmc_stats import get_cmc_curve

from ftlgan.errors import DataError
from ftlgan.verification.identification import gallery as galleries
from ftlgan.verification.identification import ranking
from ftlgan.verification.identification.gallery import FUSIONS, Fusion, Gallery
from ftlgan.verification.identification.metrics import (
    Threshold,
    false_negative_rates,
    identification_rates,
    threshold_at_fpir,
)
from ftlgan.verification.identification.report import report
from ftlgan.verification.identification.search import Searches, identify
from ftlgan.verification.pairs import Faces
from ftlgan.verification.report import paired_difference


def naive_scores(probe: np.ndarray, name: str, references: Faces, fusion: Fusion) -> dict[str, float]:
    """The score of each person, by a loop over the photos."""
    photos_of: dict[str, list[np.ndarray]] = {}
    for face_id, who, embedding in zip(references.face_ids, references.identities, references.embeddings, strict=True):
        if face_id != name:
            photos_of.setdefault(str(who), []).append(embedding.astype(np.float64))

    def score(found: list[np.ndarray]) -> float:
        if fusion == "max" or len(found) == 1:
            return max(float(photo @ probe) for photo in found)
        total = np.sum(found, axis=0)
        return float(total @ probe) / (float(np.linalg.norm(total)) or 1)

    return {who: score(found) for who, found in photos_of.items()}


def other_photos(table: Faces) -> Faces:
    """The same under other names, by which they are compared with all."""
    return Faces(np.char.add("other ", table.face_ids), table.identities, table.embeddings)


def naive_rank(scores: dict[str, float], who: str) -> int:
    return 1 + sum(score >= scores[who] for other, score in scores.items() if other != who)


def by_name(found: Searches, names: np.ndarray) -> dict[str, tuple[int, float]]:
    return dict(zip(names.tolist(), zip(found.rank.tolist(), found.score.tolist(), strict=True), strict=True))


def check_against_loops(references: Faces, probes: Faces, fusion: Fusion) -> None:
    closed, opened = identify(Gallery(references, fusion), probes, left_out=0.4, seed=5)
    left_out = {opened.people[k] for k in opened.person[~opened.mated]}
    assert len(left_out) == max(1, round(0.4 * len(opened.people)))
    enrolled = references.take(~np.isin(references.identities, list(left_out)))
    for name, who, embedding, rank, score, open_rank, open_score in zip(
        probes.face_ids.tolist(),
        probes.identities.tolist(),
        probes.embeddings.astype(np.float64),
        closed.rank,
        closed.score,
        opened.rank,
        opened.score,
        strict=True,
    ):
        scores = naive_scores(embedding, name, references, fusion)
        assert rank == naive_rank(scores, who)
        assert score == pytest.approx(scores[who], abs=1e-12)
        others = naive_scores(embedding, name, enrolled, fusion)
        assert open_rank == (0 if who in left_out else naive_rank(others, who))
        assert open_score == pytest.approx(max(others.values()) if who in left_out else scores[who], abs=1e-12)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_ranks_and_scores_are_those_of_loops_over_all_photos(fusion: Fusion) -> None:
    lr, hr, who = photos(12, 4, noise=1)
    kept = np.delete(np.arange(48), [1, 2, 7])  # people with two, three and four photos, not in the order of the probes
    references = faces(hr, who).take(np.random.default_rng(0).permutation(kept))
    check_against_loops(references, faces(lr, who), fusion)


@st.composite
def tied_people(draw: st.DrawFn) -> tuple[Faces, Faces]:
    """People whose photos are axes: most scores are equal, and exact."""
    axes = np.vstack([np.eye(4), -np.eye(4)])
    who = [f"{k}" for k in range(draw(st.integers(2, 6))) for _ in range(draw(st.integers(2, 4)))]
    places = st.lists(st.integers(0, 7), min_size=len(who), max_size=len(who))
    return faces(axes[draw(places)], who), faces(axes[draw(places)], who)


@given(tied_people(), st.sampled_from(FUSIONS))
def test_ties_count_against(people: tuple[Faces, Faces], fusion: Fusion) -> None:
    check_against_loops(*people, fusion)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_blocks_of_any_size_give_the_same_to_the_bit(fusion: Fusion, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, 128))
    centres[30:] = centres[:30]  # two people of one face: their scores differ by roundings, or not at all
    counts = generator.integers(1, 6, size=60)
    who = [f"{k:02}" for k in np.repeat(np.arange(60), counts)]
    noise = np.repeat(centres, counts, axis=0)
    noise[1::3] += 1e-6 * generator.normal(size=noise[1::3].shape)
    references = faces(unit(noise), who)
    probes = other_photos(faces(unit(centres + generator.normal(size=centres.shape)), [f"{k:02}" for k in range(60)]))

    def searched() -> list[np.ndarray]:
        found = identify(Gallery(references, fusion), probes)
        return [array for searches in found for array in (searches.rank, searches.score)]

    whole = searched()
    assert (whole[0] > 1).any()
    for photos_per_block, probes_per_pass, numbers in ((1, 1, 1), (7, 5, 300), (50, 11, 5000)):
        monkeypatch.setattr(galleries, "PHOTOS_PER_BLOCK", photos_per_block)
        monkeypatch.setattr(ranking, "PROBES_PER_PASS", probes_per_pass)
        monkeypatch.setattr(galleries, "NUMBERS_PER_PASS", numbers)
        for found, expected in zip(searched(), whole, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_photo_alone_scores_the_same_by_mean_and_by_maximum() -> None:
    lr, hr, who = photos(12, 1, noise=1)
    probes = other_photos(faces(lr, who))
    mean, maximum = (identify(Gallery(faces(hr, who), fusion), probes) for fusion in FUSIONS)
    for one, other in zip(mean, maximum, strict=True):
        np.testing.assert_array_equal(one.score, other.score)


def test_ranks_agree_with_faiss_and_the_curve_with_pyeer() -> None:
    lr, hr, who = photos(40, 2, noise=1)
    references, probes = faces(hr[::2], who[::2]), other_photos(faces(lr[1::2], who[1::2]))
    closed, _ = identify(Gallery(references, "max"), probes)
    index = faiss.IndexFlatIP(hr.shape[1])
    index.add(references.embeddings)  # pyright: ignore[reportCallIssue] - its Python wrapper takes the array alone
    scores, order = index.search(probes.embeddings, 40)  # pyright: ignore[reportCallIssue]
    ranks = 1 + np.argmax(references.identities[order] == probes.identities[:, None], axis=1)
    np.testing.assert_array_equal(closed.rank, ranks)
    lists = {
        name: (name, [(str(references.identities[k]), score) for score, k in zip(*row, strict=True)])
        for name, *row in zip(probes.identities.tolist(), scores.tolist(), order.tolist(), strict=True)
    }
    curve = identification_rates(closed, np.arange(1, 41), np.ones((1, 40), np.uint8))[0]
    assert curve == pytest.approx(get_cmc_curve(lists, 40), abs=1e-12)


def open_set(mates: list[tuple[int, float]], others: list[float]) -> Searches:
    """Searches of one person each: rank and score of the mate, or the highest score of all."""
    size = len(mates) + len(others)
    return Searches(
        people=tuple(f"{k:03}" for k in range(size)),
        person=np.arange(size, dtype=np.int32),
        rank=np.array([rank for rank, _ in mates] + [0] * len(others)),
        score=np.array([score for _, score in mates] + others),
        enrolled=len(mates),
    )


@pytest.mark.parametrize(
    ("fpir", "threshold"),
    [
        (0.25, Threshold(0.6, 0.25, 0.6)),  # above 0.5 one of four is positive; 0.6 itself is a mate's score
        (0.74, Threshold(0.6, 0.25, 0.6)),  # both that score 0.5 would be: 0.75
        (0.75, Threshold(0.3, 0.75, 0.2)),  # the mate at rank 2 fails at any threshold
        (0.2, Threshold(0.9, 0, 0.8)),  # none of four; 0.7 is that of the highest other
    ],
)
def test_thresholds_and_fnir_of_an_open_set_by_hand(fpir: float, threshold: Threshold) -> None:
    opened = open_set([(1, 0.9), (1, 0.6), (1, 0.5), (2, 0.8), (1, 0.3)], [0.7, 0.5, 0.5, 0.2])
    found = threshold_at_fpir(opened, fpir)
    assert found is not None
    assert vars(found) == pytest.approx(vars(threshold), abs=1e-12)
    rate = false_negative_rates(opened, np.array([fpir]), np.ones((1, 9), np.uint8))
    assert rate[0, 0] == pytest.approx(threshold.fnir, abs=1e-12)


def test_there_is_no_threshold_where_the_highest_score_alone_exceeds_the_rate() -> None:
    opened = open_set([(1, 0.9), (1, 0.6)], [0.95, 0.95])
    assert threshold_at_fpir(opened, 0.4) is None
    assert false_negative_rates(opened, np.array([0.4, 1]), np.ones((1, 4), np.uint8)) == pytest.approx(
        np.array([[1, 0]])
    )


def resampled(searches: Searches, weights: np.ndarray) -> Searches:
    """The searches of one draw, written out: each as often as its person was drawn."""
    rows = np.repeat(np.arange(len(searches.rank)), weights[searches.person])
    return Searches(
        tuple(f"{k:03}" for k in range(len(rows))),
        np.arange(len(rows), dtype=np.int32),
        searches.rank[rows],
        searches.score[rows],
        searches.enrolled,
    )


def naive_fnir(opened: Searches, fpir: float) -> float:
    """The lowest FNIR at any threshold that keeps to the FPIR."""
    mated, others = opened.mated, opened.score[~opened.mated]
    rates = []
    for threshold in [*np.unique(opened.score), np.inf]:
        if np.mean(others >= threshold) <= fpir + 1e-12:
            hit = (opened.rank[mated] == 1) & (opened.score[mated] >= threshold)
            rates.append(1 - hit.mean())
    return min(rates)


def test_bootstrap_metrics_are_those_of_the_searches_written_out() -> None:
    lr, hr, who = photos(30, 4, noise=1.5)
    closed, opened = identify(Gallery(faces(hr, who), "mean"), faces(lr, who))
    found = report(closed, opened, replicates=40, seed=3, ranks=(1, 5), fpirs=(0.2, 0.5))
    assert set(found.metrics) == {"rank_1", "rank_5", "fnir_at_fpir_0.2", "fnir_at_fpir_0.5"}
    for replicate, weights in enumerate(found.replicates.weights):
        drawn = {name: values[replicate] for name, values in found.replicates.metrics.items()}
        some, open_some = resampled(closed, weights), resampled(opened, weights)
        for rank in (1, 5):
            assert drawn[f"rank_{rank}"] == pytest.approx(np.mean(some.rank <= rank), abs=1e-12)
        for fpir in (0.2, 0.5):
            assert drawn[f"fnir_at_fpir_{fpir}"] == pytest.approx(naive_fnir(open_some, fpir), abs=1e-12)
    for name, estimate in found.metrics.items():
        assert interval(estimate) == pytest.approx(np.quantile(found.replicates.metrics[name], [0.025, 0.975]))
    assert found.metrics["rank_1"].value == pytest.approx(np.mean(closed.rank == 1))
    assert found.metrics["fnir_at_fpir_0.2"].value == pytest.approx(naive_fnir(opened, 0.2))


def test_two_methods_on_the_same_people_meet_the_same_draws() -> None:
    good, hr, who = photos(30, 4, noise=0.5)
    bad, _, _ = photos(30, 4, noise=2)
    better, worse = (report(*identify(Gallery(faces(hr, who), "mean"), faces(lr, who)), 200) for lr in (good, bad))
    lo, hi = interval(paired_difference(better, worse)["rank_1"])
    assert 0 < lo < hi
    assert interval(paired_difference(better, better)["rank_1"]) == (0, 0)


def test_the_curve_has_every_rank_and_ends_at_one() -> None:
    lr, hr, who = photos(30, 4, noise=1.5)
    closed, opened = identify(Gallery(faces(hr, who), "mean"), faces(lr, who))
    found = report(closed, opened, replicates=100)
    assert found.cmc.at.tolist() == list(range(1, 31))
    assert found.cmc.value == pytest.approx([np.mean(closed.rank <= rank) for rank in range(1, 31)])
    assert found.cmc.value[-1] == found.cmc.lo[-1] == 1
    assert found.fnir is not None
    assert found.fnir.at[0] == pytest.approx(10 / found.non_mated)
    assert found.fnir.value[-1] == pytest.approx(1 - np.mean(opened.rank[opened.mated] == 1))
    assert found.absent == {
        "fnir_at_fpir_0.01": "60 non-mated searches make 0.6 false positives, but 10 are needed"
    } | ({"fnir_at_fpir_0.1": "60 non-mated searches make 6 false positives, but 10 are needed"})


def test_who_is_left_out_depends_on_the_seed_alone_and_strangers_stay_enrolled() -> None:
    lr, hr, who = photos(20, 2, noise=1)
    references = faces(hr, who)
    probes = faces(lr, who).take(np.arange(20))  # of ten people; the other ten are strangers

    def left_out(seed: int, fusion: Fusion) -> set[int]:
        _, opened = identify(Gallery(references, fusion), probes, seed=seed)
        assert opened.enrolled == 15
        return set(opened.person[~opened.mated].tolist())

    assert left_out(0, "mean") == left_out(0, "max")
    assert len({tuple(sorted(left_out(seed, "mean"))) for seed in range(5)}) > 1


def test_non_mated_probes_that_are_given_meet_the_whole_gallery() -> None:
    lr, hr, who = photos(20, 2, noise=1)
    known, unknown = np.arange(20), np.arange(20, 40)
    references, everybody = faces(hr, who).take(known), faces(lr, who)
    others = everybody.take(unknown)
    others.face_ids[:] = everybody.face_ids[known][::-1]  # two photos of different tables may have one name
    with pytest.raises(DataError, match=r"person 000/00000.jpg is person 019 among the probes, but person 000 among"):
        identify(Gallery(references, "mean"), everybody.take(known), others)
    references = other_photos(references)
    closed, opened = identify(Gallery(references, "mean"), everybody.take(known), others)
    assert opened.enrolled == closed.enrolled == 10
    np.testing.assert_array_equal(opened.rank[opened.mated], closed.rank)
    for row, score in zip(unknown, opened.score[~opened.mated], strict=True):
        assert score == pytest.approx(max(naive_scores(lr[row].astype(float), "", references, "mean").values()))


def test_what_can_not_be_searched_is_refused() -> None:
    lr, hr, who = photos(6, 2, noise=1)
    references, probes = faces(hr, who), faces(lr, who)
    gallery = Gallery(references, "mean")
    for message, make in {
        "the gallery is empty": lambda: Gallery(references.take(np.arange(0)), "mean"),
        "there are no probes": lambda: identify(gallery, probes.take(np.arange(0))),
        "person 005 is among the probes but not in the gallery": lambda: identify(
            Gallery(references.take(np.arange(10)), "mean"), probes
        ),
        "person 002/00004.jpg is the only photo of person 002 in the gallery": lambda: identify(
            Gallery(references.take(np.delete(np.arange(12), 5)), "mean"), probes
        ),
        "person 000 is among the non-mated probes and in the gallery": lambda: identify(gallery, probes, probes),
        "all probes are of person 000": lambda: identify(gallery, probes.take(np.arange(2))),
        r"probes are \(12, 4\), references \(12, 8\)": lambda: identify(gallery, faces(unit(lr[:, :4]), who)),
    }.items():
        with pytest.raises(DataError, match=message):
            make()
