"""Faces are mirrored and moved with their twins."""

import numpy as np
import pytest

from ftlgan.degradation import degrade
from ftlgan.params import Augmentation, Degradation
from ftlgan.training.augmentation import degrade_each, draw_moves, mirror, move


def moving(**given: float) -> Augmentation:
    return Augmentation.model_validate({"flip": False, "shift": 0, "rotation": 0, "scale": 0, **given})


def degrading(realistic: float = 0) -> Degradation:
    return Degradation(kind="bicubic", realistic=realistic)


@pytest.fixture
def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 112, 112, 3), dtype=np.uint8)


def move_and_degrade(
    faces: np.ndarray, config: Augmentation, degradation: Degradation
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    moved = move(faces, draw_moves(len(faces), 14, config, rng))
    return degrade_each(moved, 14, degradation, [rng] * len(faces)), moved


def test_those_that_are_to_be_mirrored_are(faces: np.ndarray) -> None:
    chosen = np.arange(len(faces)) % 3 == 0
    mirrored = mirror(faces, chosen)
    assert np.array_equal(mirrored[chosen], faces[chosen, :, ::-1])
    assert np.array_equal(mirrored[~chosen], faces[~chosen])


def test_a_face_moves_by_at_most_the_shift_and_its_low_resolution_twin_with_it(faces: np.ndarray) -> None:
    lr, moved = move_and_degrade(faces, moving(shift=0.5), degrading())
    places = [where(face, other, most=4) for face, other in zip(faces, moved, strict=True)]
    assert len(set(places)) > 20
    assert {coordinate for place in places for coordinate in place} == set(range(-4, 5))
    assert np.array_equal(lr, np.stack([degrade(face, 14) for face in moved]))


def corners(faces: np.ndarray) -> np.ndarray:
    """Where four bright dots lie in each of some faces: the means of brightness in four quarters, (N, 4, 2)."""
    grey = faces.astype(float).mean(axis=3)
    y, x = np.mgrid[:112, :112]
    found = [
        [(y * part).sum() / part.sum(), (x * part).sum() / part.sum()]
        for face in grey
        for part in (
            face * ((y < 56) == top) * ((x < 56) == left)
            for top, left in ((True, True), (True, False), (False, True), (False, False))
        )
    ]
    return np.array(found).reshape(len(faces), 4, 2)


def test_faces_are_turned_and_scaled_around_their_centre_by_what_is_drawn() -> None:
    dots = np.zeros((200, 112, 112, 3), np.uint8)
    for y in (30, 81):
        for x in (30, 81):
            dots[:, y - 1 : y + 2, x - 1 : x + 2] = 255
    lr, moved = move_and_degrade(dots, moving(rotation=3, scale=0.04), degrading())
    assert np.array_equal(lr, np.stack([degrade(face, 14) for face in moved]))
    places = corners(moved) - 55.5
    first = (places[:, 0] - places[:, 3]) @ np.array([1, 1j])  # the diagonal, as complex numbers
    change = first / ((-51) * (1 + 1j))
    assert np.rad2deg(np.angle(change)).std() == pytest.approx(3, rel=0.2)
    assert np.log(np.abs(change)).std() == pytest.approx(0.04, rel=0.2)
    assert np.abs(places.mean(axis=1)).max() < 0.5, "the centre stays"


def test_a_share_of_the_faces_gets_the_realistic_chain(faces: np.ndarray) -> None:
    plain = np.stack([degrade(face, 14) for face in faces])
    for share, least, most in ((0.0, 0, 0), (0.5, 10, 30), (1.0, 40, 40)):
        lr, moved = move_and_degrade(faces, moving(), degrading(realistic=share))
        assert least <= (lr != plain).any(axis=(1, 2, 3)).sum() <= most
        assert np.array_equal(moved, faces)


def where(face: np.ndarray, moved: np.ndarray, most: int) -> tuple[int, int]:
    """Return the shift of the inner part of a face."""
    inner = moved[most:-most, most:-most]
    size = len(inner)
    for y in range(2 * most + 1):
        for x in range(2 * most + 1):
            if np.array_equal(face[y : y + size, x : x + size], inner):
                return y - most, x - most
    raise AssertionError("moved by more than that")
