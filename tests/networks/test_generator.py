"""The generator: right sizes, bicubic before training, gradients everywhere."""

from typing import get_args

import numpy as np
import pytest
import torch

from ftlgan import params
from ftlgan.networks.generator import PRESETS, Generator, generator_size
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.restoration.bicubic import Bicubic


@pytest.mark.parametrize("res", [14, 28, 56])
def test_an_untrained_generator_restores_to_112_as_bicubic_does(res: int) -> None:
    # Mid greys: Pillow clips overshoots between its two passes, which on pure noise is worth up to 18 levels.
    lr = np.random.default_rng(0).integers(96, 160, (3, res, res, 3), dtype=np.uint8)
    restored = to_faces(Generator(res, features=8, blocks=1, growth=4)(to_tensor(lr)))
    assert restored.shape == (3, 112, 112, 3)
    assert np.abs(restored.astype(int) - Bicubic().restore(lr)).max() <= 1


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    generator = Generator(14, features=8, blocks=1, growth=4)
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
    initial = {name: weight.clone() for name, weight in generator.named_parameters()}
    for _ in range(2):  # the first step moves the last layer alone: it starts at zero, for the skip's sake
        optimizer.zero_grad()
        generator(torch.rand(2, 3, 14, 14)).square().mean().backward()
        optimizer.step()
    assert [name for name, weight in generator.named_parameters() if torch.equal(weight, initial[name])] == []


def test_images_survive_the_way_to_a_tensor_and_back() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    tensor = to_tensor(faces)
    assert tensor.shape == (2, 3, 5, 7)
    assert 0 <= tensor.min() <= tensor.max() <= 1
    np.testing.assert_array_equal(to_faces(tensor), faces)


def test_what_leaves_the_range_is_clamped() -> None:
    np.testing.assert_array_equal(to_faces(torch.tensor([-0.1, 1.2, 0.5]).reshape(1, 3, 1, 1)).ravel(), [0, 255, 128])


def test_a_preset_is_overridden_by_what_is_given() -> None:
    assert generator_size(params.Generator(preset="paper", features=None, blocks=3, growth=None)) == {
        "features": 64,
        "blocks": 3,
        "growth": 32,
    }


def test_every_preset_of_the_params_is_there() -> None:
    assert set(PRESETS) == set(get_args(params.Generator.model_fields["preset"].annotation))
