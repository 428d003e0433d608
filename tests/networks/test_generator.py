"""The generator: right sizes, bicubic before training, gradients everywhere."""

from typing import Any, get_args

import numpy as np
import pytest
import torch

from ftlgan import params
from ftlgan.errors import ParamsError
from ftlgan.networks.generator import PRESETS, Attention, Generator, Size, generator_size
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.restoration.bicubic import Bicubic

DENSE: Size = {"trunk": "dense", "features": 8, "blocks": 1, "growth": 4, "positions": False}
KNOWING: Size = {**DENSE, "positions": True}
ATTENTION: Size = {"trunk": "attention", "features": 32, "blocks": 1, "growth": 0, "positions": True}


@pytest.mark.parametrize("size", [DENSE, ATTENTION, KNOWING])
@pytest.mark.parametrize("res", [14, 28, 56])
def test_an_untrained_generator_restores_to_112_as_bicubic_does(res: int, size: Size) -> None:
    # Mid greys: Pillow clips overshoots between its two passes, which on pure noise is worth up to 18 levels.
    lr = np.random.default_rng(0).integers(96, 160, (3, res, res, 3), dtype=np.uint8)
    restored = to_faces(Generator(res, **size)(to_tensor(lr)))
    assert restored.shape == (3, 112, 112, 3)
    assert np.abs(restored.astype(int) - Bicubic().restore(lr)).max() <= 1


@pytest.mark.parametrize("size", [DENSE, ATTENTION, KNOWING])
@pytest.mark.parametrize("res", [14, 28])
def test_every_weight_learns(res: int, size: Size) -> None:
    torch.manual_seed(0)
    generator = Generator(res, **size)
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
    initial = {name: weight.clone() for name, weight in generator.named_parameters()}
    for _ in range(2):  # the first step moves the last layer alone: it starts at zero, for the skip's sake
        optimizer.zero_grad()
        generator(torch.rand(2, 3, res, res)).square().mean().backward()
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


def size_of(preset: str, res: int = 14, **own: Any) -> Size:
    given = dict.fromkeys(("trunk", "features", "blocks", "growth", "positions"))
    return generator_size(params.Generator.model_validate({"preset": preset, **given, **own}), res)


def test_a_preset_is_overridden_by_what_is_given() -> None:
    assert size_of("paper") == PRESETS["paper"]
    assert size_of("paper", blocks=3, positions=True) == PRESETS["paper"] | {"blocks": 3, "positions": True}


@pytest.mark.parametrize(("res", "preset"), [(14, "attention"), (28, "positions"), (56, "positions")])
def test_the_preset_auto_depends_on_the_resolution(res: int, preset: str) -> None:
    assert size_of("auto", res) == PRESETS[preset]
    assert size_of("auto", res, blocks=1) == PRESETS[preset] | {"blocks": 1}


@pytest.mark.parametrize(
    ("preset", "own", "said"),
    [
        ("small", {"trunk": "attention", "features": 64, "growth": 24}, "generator.growth: 24 has no effect on"),
        ("attention", {"features": 100}, "generator.features: 100 must be a multiple of 32"),
        ("attention", {"trunk": "dense"}, "generator.growth: the dense trunk needs it"),
    ],
)
def test_values_that_do_not_go_together_are_refused(preset: str, own: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        size_of(preset, **own)


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, tokens = Attention(64), torch.randn(2, 49, 64)
    theirs = torch.nn.MultiheadAttention(64, 2, batch_first=True)
    theirs.load_state_dict(
        {
            **{f"in_proj_{name}": value for name, value in ours.qkv.state_dict().items()},
            **{f"out_proj.{name}": value for name, value in ours.proj.state_dict().items()},
        }
    )
    torch.testing.assert_close(ours(tokens), theirs(tokens, tokens, tokens)[0])


def test_a_place_is_known_by_its_position_alone() -> None:
    """A face of uniform gray: only learned positions give different outputs inside it."""
    torch.manual_seed(0)
    for positions in (False, True):
        size: Size = {**DENSE, "blocks": 0, "positions": positions}
        generator = Generator(14, **size)
        torch.nn.init.normal_(generator.tail.weight)
        middle = generator(torch.full((1, 3, 14, 14), 0.5))[0, :, 48:64, 48:64]
        assert (middle.flatten(1).std(1).max() > 1e-3) == positions


def test_every_preset_of_the_params_is_there() -> None:
    assert {"auto", *PRESETS} == set(get_args(params.Generator.model_fields["preset"].annotation))
