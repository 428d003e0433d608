"""Bicubic interpolation: the baseline."""

import numpy as np
from PIL import Image

from ftlgan.faces import HR


class Bicubic:
    """Pillow's bicubic (a = -0.5)."""

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """See `ftlgan.restoration.Restorer`."""
        return np.stack([np.asarray(Image.fromarray(face).resize((HR, HR), Image.Resampling.BICUBIC)) for face in lr])
