"""Kits: what `ftlgan pack` makes of generators, checked against a naive count."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import refusal
from safetensors.torch import load_file
from samples import KIT_SIZES, untrained

from ftlgan.errors import DataError
from ftlgan.params import BUILT_IN
from ftlgan.recognition import recognizers
from ftlgan.tool import pack
from ftlgan.tool.crops import aligned_crop
from ftlgan.tool.kit import MATCH, MatchFile, false_matches
from ftlgan.tool.pack import hold_out
from ftlgan.tool.probes import photos_of_test_people, small_faces
from ftlgan.tool.restorer import Restorer, weight_files
from ftlgan.verification.calibration.counts import count_pairs
from ftlgan.verification.calibration.fit import fit
from ftlgan.verification.pairs import AllPairs, Faces


def test_a_kit_holds_the_generators_in_half_precision(kit: Path) -> None:
    assert sorted(path.name for path in kit.iterdir()) == ["14.safetensors", "28.safetensors", "56.safetensors", MATCH]
    assert {tensor.dtype for tensor in load_file(kit / "14.safetensors").values()} == {torch.float16}
    assert Restorer.load(kit).resolutions == (14, 28, 56)


def test_what_is_known_is_what_a_naive_count_gives(kit: Path, tables: Path) -> None:
    knowledge = MatchFile.load(kit / MATCH)
    assert [(known.size, known.protocol) for known in knowledge.comparisons] == [
        (size, protocol) for size in KIT_SIZES for protocol in ("lr-hr", "lr-lr")
    ]
    people = photos_of_test_people(tables, 3)
    judge, restorer = recognizers.load("dlib"), Restorer.load(weight_files(kit))
    references = judge.embed(np.stack([person.aligned for person in people]))
    faces = list(small_faces(people, 14, seed=0))
    crops = [aligned_crop(f.photo, f.face, restorer.side_for(f.size)) for f in faces]
    probes = judge.embed(np.stack(restorer.restore_each(crops, [f.size for f in faces])[1]))
    identity = {person.face_id: person.identity for person in people}
    impostor: list[float] = []
    genuine: list[float] = []
    for face, probe in zip(faces, probes, strict=True):
        for person, reference in zip(people, references, strict=True):
            if person.face_id != face.face_id:
                same = person.identity == identity[face.face_id]
                (genuine if same else impostor).append(float(probe @ reference))
    known = knowledge.comparisons[0]
    assert (known.calibration.genuine, known.calibration.impostor) == (len(genuine), len(impostor))
    for score in np.quantile(impostor, [0.1, 0.5, 0.9, 0.99]):
        rate = np.mean(np.array(impostor) >= score)
        assert known.false_match_rate(float(score)) == pytest.approx(rate, rel=0.1)


def test_likelihood_ratios_are_calibrated_on_people_who_were_not_in_the_fit() -> None:
    """Simulated people whose photos lie around a point on the sphere, as those of a good recognizer do."""
    rng = np.random.default_rng(5)
    centres = np.repeat(rng.normal(size=(200, 64)), 3, axis=0)
    embeddings = centres + 1.8 * rng.normal(size=centres.shape)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    names = np.array([f"{person}/{photo}" for person in range(200) for photo in range(3)])
    faces = Faces(names, np.repeat(np.arange(200).astype(str), 3), embeddings.astype(np.float32))
    held_out = hold_out(faces, None, seed=0)
    within = fit(count_pairs(AllPairs(faces, None)), {}, replicates=1).metrics
    print(f"Cllr {held_out.cllr:.4f}, Cllr_min {held_out.cllr_min:.4f}; in the fit {within.cllr.value:.4f}")
    assert 0.4 < held_out.cllr_min < held_out.cllr < held_out.cllr_min + 0.04
    assert held_out.cllr == pytest.approx(within.cllr.value, abs=0.02)


def test_the_halves_of_the_people_share_nobody(kit: Path) -> None:
    known = MatchFile.load(kit / MATCH).comparisons[0]
    assert known.held_out.cllr > known.held_out.cllr_min
    assert known.held_out.cllr > known.calibration.metrics.cllr.value, "people of the fit look better"


def test_larger_faces_tell_more(kit: Path) -> None:
    knowledge = MatchFile.load(kit / MATCH)
    small, large = (knowledge.known("lr-hr", size) for size in KIT_SIZES)
    assert small
    assert large
    assert large.calibration.metrics.cllr.value < small.calibration.metrics.cllr.value


def test_a_face_counts_as_one_of_the_next_smaller_size(kit: Path) -> None:
    knowledge = MatchFile.load(kit / MATCH)
    sizes = [known and known.size for known in (knowledge.known("lr-hr", size) for size in (13.9, 14, 39, 40, 200))]
    assert sizes == [None, 14, 14, 40, 40]


def test_false_matches_are_thinned_out_to_a_curve_that_falls() -> None:
    scores = np.sort(np.random.default_rng(0).normal(size=50_000))
    kept, rates = false_matches(scores, np.full(scores.size, 1 / scores.size))
    assert len(kept) <= 120
    assert rates[0] == pytest.approx(1)
    assert (np.diff(kept) > 0).all()
    assert (np.diff(rates) < 0).all()
    assert rates[-1] == pytest.approx(1 / scores.size)
    for score, rate in zip(kept, rates, strict=True):
        assert rate == pytest.approx(np.mean(scores >= score - 1e-6), abs=2 / scores.size)


def test_false_matches_rise_even_if_the_shares_add_up_to_less_than_one() -> None:
    scores = np.linspace(0, 1, 1000)
    kept, rates = false_matches(scores, np.full(scores.size, (1 - 1e-9) / scores.size))
    assert (kept[0], kept[-1]) == (scores[0], scores[-1])
    assert (np.diff(kept) > 0).all()
    assert rates[0] == pytest.approx(1)


def test_a_judge_that_was_in_the_loss_is_refused(tmp_path: Path, tables: Path) -> None:
    [model] = untrained(tmp_path, 14)
    content = model.read_bytes()
    model.write_bytes(content.replace(b"0" * 64, BUILT_IN["dlib"].encode()))
    message = refusal("pack", model, "-o", tmp_path / "kit", "--data", tables, "--described", "x")
    assert "dlib was in its loss" in message
    assert not (tmp_path / "kit").exists()


def test_bad_arguments_are_one_line_each(tmp_path: Path, tables: Path) -> None:
    [model] = untrained(tmp_path, 14)
    rest = ("-o", tmp_path / "kit", "--described", "x", "--data")
    assert "has no raw/ and aligned/" in refusal("pack", model, *rest, tmp_path)
    assert "gone: there is no such file" in refusal("pack", tmp_path / "gone", *rest, tables)
    (tmp_path / "again").mkdir()
    twice = untrained(tmp_path / "again", 14)
    assert "two have one resolution" in refusal("pack", model, *twice, *rest, tables)


def test_a_damaged_file_is_said(kit: Path, tmp_path: Path) -> None:
    content = json.loads((kit / MATCH).read_text())
    content["comparisons"][0]["size"] = 0
    (tmp_path / MATCH).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"match.json: comparisons.0.size: input should be greater than or equal to 1"):
        MatchFile.load(tmp_path / MATCH)
    content = json.loads((kit / MATCH).read_text())
    content["comparisons"][0]["false_match_scores"][0] = 1
    (tmp_path / MATCH).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"comparisons.0: .*false match scores of 14 px don't rise"):
        MatchFile.load(tmp_path / MATCH)
    (tmp_path / MATCH).write_text("{")
    with pytest.raises(DataError, match="make it again with ftlgan pack"):
        MatchFile.load(tmp_path / MATCH)


def test_the_same_test_people_give_the_same_bytes(
    kit: Path, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "SIZES", KIT_SIZES)
    models = untrained(tmp_path, 14, 28, 56)
    for again, model in zip(models, sorted((kit.parent / "models").iterdir()), strict=True):
        again.write_bytes(model.read_bytes())
    pack.pack(models, tables, tmp_path / "kit", 3, "people who do not exist", 100, seed=0)
    assert (tmp_path / "kit" / MATCH).read_bytes() == (kit / MATCH).read_bytes()
