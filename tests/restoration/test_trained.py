"""A trained generator as a restorer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ftlgan.networks.generator import Generator, Size
from ftlgan.networks.weights import save_generator
from ftlgan.restoration.trained import Trained

SIZE: Size = {"trunk": "dense", "features": 8, "blocks": 1, "growth": 4, "positions": True}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    generator = Generator(14, **SIZE)
    for parameter in generator.parameters():  # an untrained generator is bicubic, and so symmetric
        torch.nn.init.normal_(parameter, std=0.1)
    save_generator(tmp_path / "mine.safetensors", generator, {"res": 14, **SIZE})
    return tmp_path / "mine.safetensors"


@pytest.fixture
def small() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 14, 14, 3), np.uint8)


def test_mirrored_faces_are_the_mean_of_both(weights: Path, small: np.ndarray) -> None:
    once, both = Trained(weights, 14), Trained(weights, 14, mirror=True)
    mirrored = once.restore(small[:, :, ::-1].copy())[:, :, ::-1]
    assert np.abs(once.restore(small).astype(int) - mirrored).max() > 10
    mean = (once.restore(small).astype(float) + mirrored) / 2
    inside = (once.restore(small) % 255 > 0) & (mirrored % 255 > 0)  # elsewhere it is the mean before clipping
    assert np.abs(both.restore(small) - mean)[inside].max() <= 1


def test_a_mirrored_face_is_restored_to_the_mirror_image(weights: Path, small: np.ndarray) -> None:
    both = Trained(weights, 14, mirror=True)
    np.testing.assert_array_equal(both.restore(small[:, :, ::-1].copy()), both.restore(small)[:, :, ::-1])
