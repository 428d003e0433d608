"""Perceptual loss: a restored face should look like its high-resolution twin to a network, layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor


def perceptual_loss(restored: Sequence[Tensor], twin: Sequence[Tensor]) -> Tensor:
    """Return the cosine distance between the feature vectors at each position, averaged by layer, then over layers.

    Args:
        restored: features of the restored faces, a (N, C, H, W) a layer.
        twin: the same of their high-resolution twins.

    Directions instead of lengths, as in LPIPS (Zhang et al., 2018): layers then weigh the same whatever their scale.
    """
    layers = [(1 - _cosine(a, b)).mean() for a, b in zip(restored, twin, strict=True)]
    return sum(layers[1:], layers[0]) / len(layers)


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the vectors of each place, (N, C, H, W) -> (N, H, W).

    torch's own scales copies of both to unit length, by which a training step takes a seventh longer.
    """
    lengths = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
    return (a * b).sum(1) / lengths.clamp_min(1e-8)
