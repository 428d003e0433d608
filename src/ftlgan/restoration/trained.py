"""A trained generator as a `Restorer`."""

from pathlib import Path

import numpy as np
import torch

from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.networks.weights import load_generator


class Trained:
    """A trained generator.

    Args:
        weights: safetensors file of `ftlgan.networks.weights`.
        res: width and height of the low-resolution faces, pixels.
        device: `cpu` or `cuda`.
    """

    faces_per_call = 8
    """On a CPU, calls with 64 faces take a third more time per face."""

    def __init__(self, weights: Path, res: int, device: str = "cpu") -> None:
        self.generator = load_generator(weights, res, device)
        self.torch_device = device

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """See `ftlgan.restoration.Restorer`."""
        with torch.inference_mode():
            return to_faces(self.generator(to_tensor(lr, self.torch_device)))
