"""Faces are mirrored and moved with their twins."""

import numpy as np
import pytest

from ftlgan.degradation import degrade
from ftlgan.training.augmentation import mirror, move_and_degrade


@pytest.fixture
def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 112, 112, 3), dtype=np.uint8)


def test_about_half_are_mirrored_and_the_same_draw_mirrors_the_same(faces: np.ndarray) -> None:
    mirrored = mirror(faces, np.random.default_rng(0))
    changed = (mirrored != faces).any(axis=(1, 2, 3))
    assert 8 < changed.sum() < 32
    assert np.array_equal(mirrored[changed], faces[changed, :, ::-1])
    small = mirror(faces[:, ::8, ::8], np.random.default_rng(0))
    assert np.array_equal((small != faces[:, ::8, ::8]).any(axis=(1, 2, 3)), changed)


def test_a_face_moves_by_at_most_the_shift_and_its_low_resolution_twin_with_it(faces: np.ndarray) -> None:
    lr, moved = move_and_degrade(faces, 14, 0.5, "bicubic", np.random.default_rng(0))
    places = [where(face, other, most=4) for face, other in zip(faces, moved, strict=True)]
    assert len(set(places)) > 20
    assert {coordinate for place in places for coordinate in place} == set(range(-4, 5))
    assert np.array_equal(lr, np.stack([degrade(face, 14) for face in moved]))


def where(face: np.ndarray, moved: np.ndarray, most: int) -> tuple[int, int]:
    """By how much the inner part of a face was moved."""
    inner = moved[most:-most, most:-most]
    size = len(inner)
    for y in range(2 * most + 1):
        for x in range(2 * most + 1):
            if np.array_equal(face[y : y + size, x : x + size], inner):
                return y - most, x - most
    raise AssertionError("moved by more than that")
