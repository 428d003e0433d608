"""HR -> LR: what distance and a small sensor do to a face."""

import cv2
import numpy as np
from PIL import Image

from ftlgan.faces import HR
from ftlgan.params import DegradationKind

KERNELS = ("bicubic", "lanczos", "bilinear", "box")
BLUR = (0.1, 0.5)
"""Standard deviation of the lens's blur in low-resolution pixels, from and to; an axis each."""
NOISE = (0.0, 6.0)
"""Standard deviation of the sensor's noise in grey levels, from and to."""
QUALITY = (60, 95)
"""The quality of the JPEG, from and to."""


def degrade(
    face: np.ndarray, res: int, kind: DegradationKind = "bicubic", rng: np.random.Generator | None = None
) -> np.ndarray:
    """Make the low-resolution twin of a face.

    Args:
        face: uint8 RGB, (H, W, 3).
        res: width and height of the result, pixels.
        kind: an antialiased downsampling kernel, or `realistic`: blur, downsampling by any of the kernels, noise and
            JPEG, as a surveillance camera gives them.
        rng: draws the realistic chain.

    Returns:
        uint8 RGB, (res, res, 3).

    The chain and its ranges are our choice, after Wang et al., "Real-ESRGAN" (2021), first order, and milder: a face
    of 14 px has little to lose.
    """
    if kind != "realistic":
        return _downsample(face, res, kind)
    assert rng is not None, "a realistic degradation is drawn"
    sigma_x, sigma_y = rng.uniform(*BLUR, 2) * HR / res
    blurred = cv2.GaussianBlur(face, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REPLICATE)
    small = _downsample(blurred, res, KERNELS[rng.integers(len(KERNELS))])
    noisy = small + rng.normal(0, rng.uniform(*NOISE), small.shape)
    return _compress_as_jpeg(noisy.round().clip(0, 255).astype(np.uint8), int(rng.integers(QUALITY[0], QUALITY[1] + 1)))


def _downsample(face: np.ndarray, res: int, kernel: str) -> np.ndarray:
    """Downsample with an antialiased kernel.

    Pillow widens the kernel by the scale, as MATLAB's imresize does, on which the field's results rest; OpenCV and
    torch without `antialias` do not, and differ by up to 82 grey levels.
    """
    return np.asarray(Image.fromarray(face).resize((res, res), Image.Resampling[kernel.upper()]))


def _compress_as_jpeg(face: np.ndarray, quality: int) -> np.ndarray:
    """Compress with halved colour resolution, and read back; JPEG knows blue, green, red."""
    _, encoded = cv2.imencode(".jpg", face[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None, "cv2 reads what it wrote"
    return decoded[..., ::-1]
