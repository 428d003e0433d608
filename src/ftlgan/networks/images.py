"""Conversion between stored images (uint8, channels last) and network inputs (float, channels first)."""

import numpy as np
import torch
from torch import Tensor


def to_tensor(faces: np.ndarray, device: str = "cpu") -> Tensor:
    """Convert uint8 RGB (N, H, W, 3) to float32 RGB in [0, 1], (N, 3, H, W)."""
    writable = np.require(faces, requirements=["C", "W"])  # torch warns about read-only arrays, such as those of PIL
    return torch.from_numpy(writable).to(device).permute(0, 3, 1, 2).contiguous().float() / 255


def to_faces(images: Tensor) -> np.ndarray:
    """Convert float RGB, (N, 3, H, W), to uint8 RGB (N, H, W, 3): round, and clamp to [0, 1]."""
    return (images.detach() * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
