"""Who is found, by every method and judge; beside a naive loop over probes and people."""

import numpy as np
import pytest

from ftlgan.errors import DataError
from ftlgan.evaluation.judging import Embedded
from ftlgan.evaluation.search_plots import identification_plot
from ftlgan.evaluation.searching import (
    Found,
    curve_table,
    enrolled,
    identification_scalars,
    identification_table,
    primary_searches,
    search,
    with_mates,
)
from ftlgan.look import colour
from ftlgan.params import Identify
from ftlgan.verification.identification.gallery import Gallery
from ftlgan.verification.pairs import Faces
from ftlgan.verification.report import paired_difference

ALL = Identify(photos="all", fusion="mean", left_out=0.5)
ONE = Identify(photos="one", fusion="max", left_out=0.5)
PHOTOS = [3, 3, 3, 3, 3, 3, 3, 3, 2, 1]
"""The photos of each of ten people; the last person can't be searched for."""


def embedded(noise: float) -> Embedded:
    """Ten people; the more noise, the less alike are photos of one person."""
    who = np.repeat(np.arange(len(PHOTOS)), PHOTOS)
    vectors = np.random.default_rng(0).normal(size=(len(PHOTOS), 8))[who]
    vectors = vectors + noise * np.random.default_rng(1).normal(size=(len(who), 8))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = np.array([f"p{person}/{number}" for person, count in enumerate(PHOTOS) for number in range(count)])
    return Embedded(Faces(names, np.array([f"p{i}" for i in who]), unit), {"recognizer": "judge", "sha256": "0"})


def searched(settings: Identify = ALL) -> list[Found]:
    probes = {("bicubic", "bicubic"): embedded(1.2), ("bicubic", "ftlgan"): embedded(0.6)}
    return search("judge", embedded(0.3), probes, settings, replicates=100, confidence=0.95, seed=0)


def naive_ranks(probes: Faces, references: Faces, first_photo_alone: bool) -> list[int]:
    """The rank of each mate, photo by photo."""
    people = sorted(set(references.identities.tolist()))
    ranks: list[int] = []
    for name, person, probe in zip(probes.face_ids, probes.identities, probes.embeddings, strict=True):
        scores: dict[str, float] = {}
        for other in people:
            rows = [row for row, who in enumerate(references.identities) if who == other]
            rows = rows[:1] if first_photo_alone else rows
            vectors = [references.embeddings[row].astype(float) for row in rows if references.face_ids[row] != name]
            if vectors:
                mean = np.mean(vectors, axis=0)
                scores[other] = probe @ (mean / np.linalg.norm(mean) if len(vectors) > 1 else mean)
        if person in scores:
            ranks.append(1 + sum(score >= scores[person] for other, score in scores.items() if other != person))
    return ranks


@pytest.mark.parametrize("settings", [ALL, ONE])
def test_rates_are_those_of_a_naive_loop(settings: Identify) -> None:
    for found, noise in zip(searched(settings), (0.3, 1.2, 0.6), strict=True):
        ranks = naive_ranks(embedded(noise).faces, embedded(0.3).faces, settings.photos == "one")
        assert found.report.searches == len(ranks) == len(embedded(noise).faces.face_ids) - found.without_mate
        for k in (1, 5):
            assert found.report.metrics[f"rank_{k}"].value == pytest.approx(np.mean(np.array(ranks) <= k))


def test_a_probe_without_another_photo_of_its_person_is_left_out_and_counted() -> None:
    assert [found.without_mate for found in searched()] == [1, 1, 1], "of the person with one photo"
    assert [found.without_mate for found in searched(ONE)] == [10, 10, 10], "each person's first is in the gallery"


def test_the_gallery_holds_the_first_photo_of_each_person_by_name_in_whatever_order_they_come() -> None:
    faces = embedded(0.3).faces
    chosen = enrolled(faces.take(np.arange(len(faces.face_ids))[::-1]), "one")
    assert sorted(chosen.face_ids) == [f"p{person}/0" for person in range(len(PHOTOS))]
    assert len(enrolled(faces, "all").face_ids) == sum(PHOTOS)


def test_probes_of_people_who_are_not_enrolled_have_no_mate() -> None:
    faces = embedded(0.3).faces
    gallery = Gallery(faces.take(np.isin(faces.identities, ["p1", "p3"])), "mean")
    strangers = faces.take(np.isin(faces.identities, ["p0", "p2", "p8"]))
    assert not len(with_mates(strangers, gallery).face_ids)
    assert len(with_mates(faces, gallery).face_ids) == 6


def test_less_noise_finds_more_and_methods_meet_the_same_draws() -> None:
    hr, bicubic, ftlgan = (found.report for found in searched())
    assert hr.metrics["rank_1"].value >= ftlgan.metrics["rank_1"].value > bicubic.metrics["rank_1"].value
    assert (paired_difference(ftlgan, bicubic)["rank_1"].lo or 0) > 0


def test_the_table_has_a_row_for_each_method_with_intervals_and_what_is_absent() -> None:
    rows = identification_table(searched(), 14, {"ftlgan": ["judge"]})
    assert [(row["condition"], row["method"], row["protocol"], row["box"]) for row in rows] == [
        ("", "hr", "hr-hr", "black"),
        ("bicubic", "bicubic", "lr-hr", "black"),
        ("bicubic", "ftlgan", "lr-hr", "white"),
    ]
    assert all(row["rank_1_lo"] <= row["rank_1"] <= row["rank_1_hi"] for row in rows)
    assert all(row["rank_20"] is None for row in rows), "ten people have no rank 20"
    assert all(row["mated"] + row["non_mated"] == row["searches"] == 26 for row in rows)
    assert len({tuple(row) for row in rows}) == 1
    assert identification_scalars(searched(), "bicubic")["judge/lr-hr/ftlgan.rank_1"] == rows[2]["rank_1"]


def test_the_curves_are_of_the_headline_and_may_be_absent() -> None:
    reports = primary_searches(searched(), "judge", "bicubic")
    assert list(reports) == ["hr", "bicubic", "ftlgan"]
    rows = curve_table({method: found.cmc for method, found in reports.items()}, "rank", "rate")
    assert [row["rank"] for row in rows if row["method"] == "ftlgan"] == list(range(1, 11))
    assert rows[-1] == {"method": "ftlgan", "rank": 10.0, "rate": 1.0, "lo": 1.0, "hi": 1.0}
    assert curve_table({"hr": None}, "fpir", "fnir") == []


def test_the_picture_has_a_curve_for_each_method_in_its_colour_in_both_panels() -> None:
    reports = primary_searches(searched(), "judge", "bicubic")
    left, right = identification_plot(reports, "14 px").axes
    for axes in (left, right):
        assert [line.get_color() for line in axes.lines] == [colour(method) for method in reports]
    legend = left.get_legend()
    assert legend is not None
    assert legend.get_texts()[2].get_text() == f"FTLGAN: rank-1 {reports['ftlgan'].metrics['rank_1'].value:.3f}"
    assert left.get_xlabel() == "rank" and "FPIR" in right.get_xlabel()


def test_without_any_search_there_are_no_rows_and_the_picture_says_so() -> None:
    alone = embedded(0.3).faces
    references = Embedded(alone.take(np.isin(alone.identities, ["p0", "p9"])), embedded(0.3).recognizer)
    assert search("judge", references, {}, ALL, 100, 0.95, 0) == [], "one person can be searched for"
    left, right = identification_plot({}, "").axes
    assert not left.lines and right.texts[0].get_text() == "too few non-mated searches"


def test_faces_of_somebody_else_are_refused() -> None:
    references = Embedded(embedded(0.3).faces.without(["p1/0"]), embedded(0.3).recognizer)
    with pytest.raises(DataError, match="data/probes/box/bicubic/judge: its faces are not those of data/gallery/judge"):
        search("judge", references, {("box", "bicubic"): embedded(1.0)}, ALL, 100, 0.95, 0)
