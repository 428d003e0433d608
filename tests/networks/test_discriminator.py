"""The discriminator: one logit per pixel, smooth, and independent of the other faces of the batch."""

import pytest
import torch
from torch import nn

from ftlgan.networks.discriminator import Discriminator


@pytest.fixture
def faces() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(3, 3, 112, 112)


def test_it_says_of_every_pixel_whether_it_is_real(faces: torch.Tensor) -> None:
    assert Discriminator(8)(faces).shape == (3, 1, 112, 112)


def test_its_answer_to_a_face_depends_on_no_other(faces: torch.Tensor) -> None:
    network = Discriminator(8).eval()
    assert torch.allclose(network(faces)[:1], network(faces[:1]), atol=1e-5)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def test_its_weights_have_a_spectral_norm_of_one(faces: torch.Tensor) -> None:
    network = Discriminator(8)
    for _ in range(50):  # power iterations
        network(faces)
    for conv in (*network.down, *network.up, network.tail):
        assert isinstance(conv, nn.Conv2d)
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.05)


def test_a_gradient_reaches_every_weight_and_every_pixel(faces: torch.Tensor) -> None:
    faces.requires_grad_(True)
    network = Discriminator(8)
    network(faces).sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in network.parameters())
    assert faces.grad is not None
    assert (faces.grad != 0).float().mean() > 0.99
