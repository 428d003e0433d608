"""Perceptual loss: a restored face should look like its high-resolution twin to a network, layer by layer."""

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def perceptual_loss(restored: Sequence[Tensor], twin: Sequence[Tensor]) -> Tensor:
    """Mean over layers of the mean cosine distance between the feature vectors of a place, in [0, 2].

    Args:
        restored: features of the restored faces, a (N, C, H, W) a layer.
        twin: the same of their high-resolution twins.

    Directions instead of lengths, as in LPIPS (Zhang et al., 2018): layers then weigh the same whatever their scale.
    """
    layers = [(1 - F.cosine_similarity(a, b, dim=1)).mean() for a, b in zip(restored, twin, strict=True)]
    return sum(layers[1:], layers[0]) / len(layers)
