"""HR -> LR."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from ftlgan.degradation import degrade


@pytest.fixture
def face() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)


@pytest.mark.parametrize("res", [14, 28, 56])
def test_it_has_the_size_that_was_asked_for(face: np.ndarray, res: int) -> None:
    lr = degrade(face, res)
    assert lr.shape == (res, res, 3)
    assert lr.dtype == np.uint8


@pytest.mark.parametrize("res", [14, 28, 56])
def test_it_is_antialiased_as_torchs_is(face: np.ndarray, res: int) -> None:
    image = torch.from_numpy(face).permute(2, 0, 1)[None].float()
    reference = (
        F.interpolate(image, size=(res, res), mode="bicubic", antialias=True)[0].permute(1, 2, 0).round().clamp(0, 255)
    )
    assert np.abs(degrade(face, res).astype(int) - reference.numpy()).max() <= 1


def test_the_kernel_matters(face: np.ndarray) -> None:
    assert not np.array_equal(degrade(face, 14, "bicubic"), degrade(face, 14, "box"))


def test_box_is_the_mean_of_each_square(face: np.ndarray) -> None:
    mean = face.reshape(14, 8, 14, 8, 3).mean(axis=(1, 3))
    assert np.abs(degrade(face, 14, "box") - mean).max() <= 1


def test_a_realistic_face_is_drawn_and_the_same_draw_gives_the_same_face(face: np.ndarray) -> None:
    first, again, other = (degrade(face, 14, "realistic", np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (14, 14, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_realistic_face_is_blurred_noisy_and_still_the_face() -> None:
    ramp = np.linspace(40, 215, 112)
    face = np.stack([np.add.outer(ramp, ramp) / 2] * 3, axis=2).astype(np.uint8)
    clean, rng = degrade(face, 28).astype(float), np.random.default_rng(0)
    errors = [np.abs(degrade(face, 28, "realistic", rng) - clean).mean() for _ in range(50)]
    assert 0.5 < np.mean(errors) < 10
    assert np.std(errors) > 0.1  # some are worse than others
