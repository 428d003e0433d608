"""Pixel loss: keeps colors and pose, to which recognition is insensitive."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def pixel_loss(restored: Tensor, hr: Tensor) -> Tensor:
    """Return the mean absolute difference (L1).

    Args:
        restored: restored faces, (N, 3, H, W).
        hr: their high-resolution twins, same shape.
    """
    return F.l1_loss(restored, hr)
