"""HR -> LR: what distance and a small sensor do to a face."""

from typing import Literal

import numpy as np
from PIL import Image

Kernel = Literal["bicubic", "lanczos", "bilinear", "box"]


def degrade(face: np.ndarray, res: int, kernel: Kernel = "bicubic") -> np.ndarray:
    """Downsample a face with an antialiased kernel.

    Pillow widens the kernel by the scale, as MATLAB's imresize does, on which the field's figures rest; OpenCV and
    torch without `antialias` do not, and differ by up to 82 grey levels.

    Args:
        face: uint8 RGB, (H, W, 3).
        res: width and height of the result, pixels.

    Returns:
        uint8 RGB, (res, res, 3).
    """
    return np.asarray(Image.fromarray(face).resize((res, res), Image.Resampling[kernel.upper()]))
