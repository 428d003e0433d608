"""`ftlgan match`, on people who do not exist and a kit that knows of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import refusal, run
from PIL import Image
from samples import group, untrained

from ftlgan import Matcher, match
from ftlgan.errors import DataError
from ftlgan.photos import read_photo
from ftlgan.tool.kit import MATCH, MatchFile
from ftlgan.tool.match_command import rate_in_words, ratio_in_words


def shrunk(photo: Path, width: int) -> Image.Image:
    image = Image.open(photo)
    return image.resize((width, round(width * image.height / image.width)), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def people(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small-P.png` and `large-P.jpg` of two people, P: 0 and 1, from two photos of each."""
    folder = tmp_path_factory.mktemp("people")
    for number, person in enumerate(sorted(photos.iterdir())[:2]):
        one, other = sorted(person.iterdir())[:2]
        shrunk(one, 60).save(folder / f"small-{number}.png")
        shutil.copy(other, folder / f"large-{number}.jpg")
        shrunk(other, 56).save(folder / f"tiny-{number}.png")
    return folder


def matches(people: Path, kit: Path, tmp_path: Path, *arguments: object) -> list[dict[str, object]]:
    run("match", *arguments, "--weights", kit, "--json", tmp_path / "match.json")
    return json.loads((tmp_path / "match.json").read_text())["matches"]


def test_every_probe_is_compared_with_every_reference(
    people: Path, kit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probes = [people / f"small-{number}.png" for number in range(2)]
    references = [people / f"large-{number}.jpg" for number in range(2)]
    found = matches(people, kit, tmp_path, *probes, "--reference", *references)
    printed = capsys.readouterr().out
    assert [(m["probe"]["file"], m["reference"]["file"]) for m in found] == [  # pyright: ignore
        (str(probe), str(reference)) for probe in probes for reference in references
    ]
    for result in found:
        assert f"{result['words']}\n" in printed
    assert "It is not a decision" in printed
    assert "people who do not exist" in printed


def test_the_numbers_are_those_of_the_kit(people: Path, kit: Path, tmp_path: Path) -> None:
    [found] = matches(people, kit, tmp_path, people / "small-0.png", "--reference", people / "large-0.jpg")
    known = MatchFile.load(kit / MATCH).known("lr-hr", 14)
    assert known
    similarity = found["similarity"]
    assert isinstance(similarity, float)
    ratio = known.calibration.apply([similarity])
    assert found["log10_likelihood_ratio"] == {
        "value": round(float(ratio.log10[0]), 4),
        "lo": round(float(ratio.lo[0]), 4),
        "hi": round(float(ratio.hi[0]), 4),
        "at_the_bound": bool(ratio.bounded[0]),
    }
    assert found["false_match_rate"] == pytest.approx(known.false_match_rate(similarity), rel=1e-3)
    probe, reference = (read_photo((people / name).read_bytes()) for name in ("small-0.png", "large-0.jpg"))
    python = match(probe, reference, kit)
    assert (round(python.similarity, 6), python.words) == (similarity, found["words"])
    box = found["probe"]["box"]  # pyright: ignore
    assert len(box) == 4
    assert all(0 < side < 60 for side in box[2:])


def test_a_rate_of_few_pairs_is_a_bound_and_a_ratio_at_the_limit_has_no_interval(people: Path, kit: Path) -> None:
    probe, reference = (read_photo((people / name).read_bytes()) for name in ("small-0.png", "large-0.jpg"))
    found = match(probe, reference, kit)
    pairs = found.known.calibration.impostor
    some, few = (replace(found, false_match_rate=count / pairs) for count in (10, 9))
    assert rate_in_words(some) == f"{10 / pairs:.2g} of {pairs:,} pairs of different people"
    assert rate_in_words(few) == f"below {10 / pairs:.1g}: fewer than 10 of {pairs:,} pairs of different people"
    inside = replace(found, log10_lr=1.0, interval=(0.5, 1.5), bounded=False)
    assert ratio_in_words(inside) == "1.00 [0.50, 1.50]"
    assert ratio_in_words(replace(inside, interval=(1.0, 1.0), bounded=True)) == "1.00, the limit of the data"


def test_two_small_faces_are_judged_as_two_restored_ones(people: Path, kit: Path, tmp_path: Path) -> None:
    [found] = matches(people, kit, tmp_path, people / "small-0.png", "--reference", people / "tiny-0.png")
    assert found["known_from"]["protocol"] == "lr-lr"  # pyright: ignore


def test_what_is_not_known_is_not_judged(people: Path, kit: Path, tmp_path: Path) -> None:
    shrunk(people / "large-0.jpg", 24).save(tmp_path / "dot.png")
    message = refusal("match", tmp_path / "dot.png", "--reference", people / "large-0.jpg", "--weights", kit)
    assert "there are statistics only for 14 to 112 px" in message
    image = Image.open(people / "large-0.jpg")
    image.resize((3 * image.width, 3 * image.height)).save(tmp_path / "huge.png")
    message = refusal("match", tmp_path / "huge.png", "--reference", tmp_path / "huge.png", "--weights", kit)
    assert "there are statistics only for" in message


def test_other_generators_than_those_of_the_kit_are_refused(people: Path, kit: Path, tmp_path: Path) -> None:
    pair = (people / "small-0.png", "--reference", people / "large-0.jpg", "--weights")
    [alone] = untrained(tmp_path, 14)
    assert "a match needs statistics of the faces that it restores" in refusal("match", *pair, alone)
    shutil.copy(kit / MATCH, tmp_path / MATCH)
    assert "is for other generators than those next to it" in refusal("match", *pair, tmp_path)
    other = json.loads((kit / MATCH).read_text()) | {"sha256": "0" * 64}
    shutil.rmtree(tmp_path / "kit", ignore_errors=True)
    shutil.copytree(kit, tmp_path / "kit")
    (tmp_path / "kit" / MATCH).write_text(json.dumps(other))
    assert "its scores are by dlib 000000000000" in refusal("match", *pair, tmp_path / "kit")


def test_a_photo_of_several_people_is_refused_unless_asked_for(people: Path, kit: Path, tmp_path: Path) -> None:
    Image.fromarray(group(2)).save(tmp_path / "group.png")
    pair = (people / "small-0.png", "--reference", tmp_path / "group.png", "--weights", kit)
    assert "group.png: shows 6 faces; cut out one, or use the most central one with --main" in refusal("match", *pair)
    run("match", *pair, "--main")


def test_bad_photos_are_one_line_each(people: Path, kit: Path, tmp_path: Path) -> None:
    reference = ("--reference", people / "large-0.jpg", "--weights", kit)
    assert "gone.png: there is no such file" in refusal("match", tmp_path / "gone.png", *reference)
    (tmp_path / "text.png").write_text("x")
    assert "text.png: unreadable: not an image" in refusal("match", tmp_path / "text.png", *reference)
    Image.new("RGB", (50, 50)).save(tmp_path / "dark.png")
    assert "dark.png: no face found" in refusal("match", tmp_path / "dark.png", *reference)
    with pytest.raises(DataError, match="the reference: no face found"):
        match(read_photo((people / "small-0.png").read_bytes()), np.zeros((50, 50, 3), np.uint8), kit)


def test_similar_faces_support_one_person_and_others_two(kit: Path, people: Path) -> None:
    matcher = Matcher.load(kit)
    face = matcher.face(read_photo((people / "small-0.png").read_bytes()))
    reference = matcher.face(read_photo((people / "large-0.jpg").read_bytes()))
    ratios = [matcher.judged(face, reference, similarity).log10_lr for similarity in (0.7, 0.8, 0.9, 0.95, 0.99)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 0 < ratios[-1]
    assert matcher.judged(face, reference, 0.99).words.endswith("support for the same person")
    assert matcher.judged(face, reference, 0.7).words.endswith("support for different people")
