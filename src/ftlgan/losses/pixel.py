"""Pixel loss: keeps colours and pose where recognition does not care."""

from torch import Tensor


def pixel_loss(restored: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute difference (L1).

    Args:
        restored: (N, 3, H, W).
        hr: same shape, the high-resolution twin.
    """
    return (restored - hr).abs().mean()
