"""Cutting faces out of photos and putting them back."""

import numpy as np
import pytest
from samples import astronaut

from ftlgan.degradation import downsample
from ftlgan.detection import Detection, FaceDetector
from ftlgan.template import face_size, template
from ftlgan.tool.crops import aligned_crop, put_back


def in_the_middle(side: int, size: float, turns: int = 0) -> Detection:
    """Return a face of a size in the middle of a square photo."""
    landmarks = (template() + 0.5) * (size / 112) - 0.5 + (side - size) / 2
    return Detection(np.zeros(4, np.float32), landmarks.astype(np.float32), 1.0, turns)


@pytest.mark.parametrize("size", [9, 14, 60, 112, 300])
def test_the_size_of_a_face_is_the_side_of_its_crop(size: int) -> None:
    assert face_size(in_the_middle(400, size).landmarks) == pytest.approx(size, rel=1e-5)


@pytest.mark.parametrize("size", [14, 40, 112, 200])
def test_a_crop_shows_what_the_photo_shows_there(size: int) -> None:
    side = 400
    across = np.linspace(0, 255, side)
    photo = np.dstack([np.tile(across, (side, 1)), np.tile(across[:, None], (1, side)), np.full((side, side), 90)])
    crop = aligned_crop(np.rint(photo).astype(np.uint8), in_the_middle(side, size)).astype(float)
    places = ((np.arange(112) + 0.5) * size / 112 - 0.5 + (side - size) / 2) * 255 / (side - 1)
    np.testing.assert_allclose(crop[..., 0], np.tile(places, (112, 1)), atol=1.5)
    np.testing.assert_allclose(crop[..., 1], np.tile(places[:, None], (1, 112)), atol=1.5)


def test_a_face_of_the_size_asked_for_is_taken_pixel_by_pixel() -> None:
    photo = astronaut(40)
    assert np.array_equal(aligned_crop(photo, in_the_middle(40, 14), 14), photo[13:27, 13:27])
    turned = np.ascontiguousarray(np.rot90(photo, -1))
    assert np.array_equal(aligned_crop(turned, in_the_middle(40, 14, turns=1), 14), photo[13:27, 13:27])


@pytest.mark.parametrize(("size", "side"), [(16, 14), (20, 28), (36, 28)])
def test_a_crop_of_another_size_shows_what_the_large_one_shows(size: int, side: int) -> None:
    photo, face = astronaut(80), in_the_middle(80, size)
    expected = downsample(aligned_crop(photo, face), (side, side), "bicubic").astype(float)
    found = aligned_crop(photo, face, side)
    assert found.shape == (side, side, 3)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97
    assert np.array_equal(found, expected) == (size == 36)  # a much larger face is reduced


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [20, 112, 180])
def test_a_face_that_is_put_back_as_it_was_changes_next_to_nothing(turns: int, size: int) -> None:
    photo = astronaut(400)
    face = in_the_middle(400, size, turns)
    after = photo.copy()
    put_back(after, aligned_crop(photo, face), face.landmarks, turns)
    assert np.abs(after.astype(int) - photo).mean() < 0.5


def test_a_restored_face_is_put_where_it_was_and_nowhere_else() -> None:
    photo = np.zeros((200, 300, 3), np.uint8)
    landmarks = ((template() + 0.5) / 112 * 40 - 0.5 + [100, 50]).astype(np.float32)
    put_back(photo, np.full((112, 112, 3), 200, np.uint8), landmarks, 0)
    changed = np.argwhere(photo.any(axis=2))
    assert (changed.min(axis=0) >= (50, 100)).all()
    assert (changed.max(axis=0) < (90, 140)).all()
    assert (photo[60:80, 110:130] == 200).all()
    assert 0 < photo[52, 120, 0] < 200  # it fades into the photo


def test_a_face_at_the_border_is_put_back_as_far_as_the_photo_goes() -> None:
    photo = np.zeros((60, 60, 3), np.uint8)
    landmarks = (template() / 112 * 40 + [-20, 40]).astype(np.float32)
    put_back(photo, np.full((112, 112, 3), 200, np.uint8), landmarks, 0)
    assert photo[55, 5].all()
    assert not photo[:40].any()
    put_back(photo, np.zeros((112, 112, 3), np.uint8), landmarks - 1000, 0)  # beyond it there is nothing to do


def test_the_crop_of_a_small_photo_is_near_that_of_the_large_one() -> None:
    detector = FaceDetector(0.7)
    face = detector.main_face(astronaut(512))
    small = Detection(face.box / 4, (face.landmarks + 0.5) / 4 - 0.5, 1.0, 0)
    large, reduced = aligned_crop(astronaut(512), face), aligned_crop(astronaut(128), small)
    assert np.abs(large.astype(int) - reduced).mean() < 8
