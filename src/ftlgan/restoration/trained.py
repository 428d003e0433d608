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
        mirror: whether to restore the mirror image of each face, too, and to average both. What the generator makes of
            the noise in a face differs between the two, and so averages out. Source: the geometric self-ensemble of
            Lim et al., "Enhanced deep residual networks for single image super-resolution" (2017), of which it takes
            the one transformation that keeps a face aligned.
    """

    faces_per_call = 8
    """On a CPU, calls with 64 faces take a third more time per face."""

    def __init__(self, weights: Path, res: int, device: str = "cpu", mirror: bool = False) -> None:
        self.generator = load_generator(weights, res, device)
        self.torch_device = device
        self.mirror = mirror

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """See `ftlgan.restoration.Restorer`."""
        with torch.inference_mode():
            small = to_tensor(lr, self.torch_device)
            restored = self.generator(small)
            if self.mirror:
                restored = (restored + self.generator(small.flip(-1)).flip(-1)) / 2
            return to_faces(restored)
