"""HR -> LR: what distance and a small sensor do to a face."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from PIL import Image

from ftlgan.faces import FACES, HR, decode_face, encode_png, stream_faces
from ftlgan.params import Degradation, DegradationKind

KERNELS = ("bicubic", "lanczos", "bilinear", "box")
BLUR = (0.1, 0.5)
"""Standard deviation of the lens's blur in low-resolution pixels, from and to; an axis each."""
NOISE = (0.0, 6.0)
"""Standard deviation of the sensor's noise in grey levels, from and to."""
QUALITY = (60, 95)
"""The quality of the JPEG, from and to."""
MOTION = (0.2, 1.2)
"""The length of the held-out chain's motion blur in low-resolution pixels, from and to."""
PHOTONS = (500, 5000)
"""How many photons make white in the held-out chain, from and to: at mid-grey, noise of 8 to 2.5 levels."""
WEBP_QUALITY = (40, 90)
"""The quality of the held-out chain's WebP, from and to."""


def degrade(
    face: np.ndarray, res: int, kind: DegradationKind = "bicubic", rng: np.random.Generator | None = None
) -> np.ndarray:
    """Make the low-resolution twin of a face.

    Args:
        face: uint8 RGB, (H, W, 3).
        res: width and height of the result, pixels.
        kind: an antialiased downsampling kernel, or `realistic`: see `shrink_realistically`.
        rng: draws the realistic chain.

    Returns:
        uint8 RGB, (res, res, 3).
    """
    if kind != "realistic":
        return downsample(face, (res, res), kind)
    assert rng is not None, "a realistic degradation is drawn"
    return shrink_realistically(face, res / HR, rng)


def stream_of(seed: int, face_id: str) -> np.random.Generator:
    """Return the random numbers that degrade a face: the same whatever other faces there are."""
    return np.random.default_rng([seed, crc32(face_id.encode())])


def draw_kind(config: Degradation, rng: np.random.Generator) -> DegradationKind:
    """Draw how a training face is degraded: by the realistic chain, with the share that it has, or by `kind`."""
    return "realistic" if config.realistic and rng.random() < config.realistic else config.kind


def shrink_realistically(image: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Blur an image, downsample it by any of the kernels, add noise and compress it as JPEG, as a camera far off does.

    The chain and its ranges are our choice, after Wang et al., "Real-ESRGAN" (2021), first order, and milder: a face
    of 14 px has little to lose.

    Args:
        image: uint8 RGB, (H, W, 3).
        scale: how much smaller the result is, above 0 and at most 1.
        rng: draws how strong each part is.

    Returns:
        uint8 RGB, (H * scale, W * scale, 3), rounded.
    """
    sigma_x, sigma_y = rng.uniform(*BLUR, 2) / scale
    blurred = cv2.GaussianBlur(image, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REPLICATE)
    small = downsample(blurred, _scaled(image, scale), KERNELS[rng.integers(len(KERNELS))])
    noisy = small + rng.normal(0, rng.uniform(*NOISE), small.shape)
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    return _compress(_pixels(noisy), ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)


def shrink_by_held_out_chain(image: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Degrade an image by a chain that shares no part with `shrink_realistically`, and that no training may use.

    Motion blur, a Hamming window, shot noise, which is strong where the image is bright, and WebP: what a network does
    on such faces, it does on those of a camera that nobody thought of. The chain and its ranges are our choice.

    Args:
        image: uint8 RGB, (H, W, 3).
        scale: how much smaller the result is, above 0 and at most 1.
        rng: draws how strong each part is.

    Returns:
        uint8 RGB, (H * scale, W * scale, 3), rounded.
    """
    blurred = blur_by_motion(image, rng.uniform(*MOTION) / scale, rng.uniform(0, 180))
    small = downsample(blurred, _scaled(image, scale), "hamming")
    photons = rng.uniform(*PHOTONS)
    noisy = rng.poisson(small / 255 * photons) / photons * 255
    quality = int(rng.integers(WEBP_QUALITY[0], WEBP_QUALITY[1] + 1))
    return _compress(_pixels(noisy), ".webp", cv2.IMWRITE_WEBP_QUALITY, quality)


def downsample(image: np.ndarray, size: tuple[int, int], kernel: str) -> np.ndarray:
    """Bring an image to another size with an antialiased kernel of Pillow.

    Pillow widens the kernel by the scale, as MATLAB's imresize does, on which the field's results rest; OpenCV and
    torch without `antialias` do not, and differ by up to 82 grey levels.

    Args:
        image: uint8 RGB, (H, W, 3).
        size: width and height of the result, pixels.
        kernel: the name of one of `KERNELS`, or `hamming`.

    Returns:
        uint8 RGB.
    """
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling[kernel.upper()]))


def _scaled(image: np.ndarray, scale: float) -> tuple[int, int]:
    """Return width and height of an image that is so much smaller."""
    height, width = image.shape[:2]
    return max(1, round(width * scale)), max(1, round(height * scale))


def native_faces(small: Path, res: int, split: str) -> Iterator[dict[str, Any]]:
    """Yield native small faces at a resolution: as they are where they have it, else by antialiased bicubic resampling.

    Args:
        small: folder of the table of aligned native small faces.
        res: width and height of the result, pixels.
        split: whose faces.

    Yields:
        Rows of `ftlgan.faces.FACES`.
    """
    for batch in stream_faces(small, [split]):
        for row in batch.select(FACES.names).to_pylist():
            yield {**row, "image": encode_png(downsample(decode_face(row["image"]), (res, res), "bicubic"))}


def blur_by_motion(face: np.ndarray, length: float, degrees: float) -> np.ndarray:
    """Blur along a line, as a face that moves while the shutter is open.

    Args:
        face: uint8 RGB, (H, W, 3).
        length: of the line, pixels.
        degrees: its angle; 0 is level.
    """
    reach = int(np.ceil(length))
    line = np.clip((length + 1) / 2 - np.abs(np.arange(-reach, reach + 1)), 0, 1)  # the ends of the line count in part
    kernel = np.zeros((len(line), len(line)))
    kernel[reach] = line
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((reach, reach), degrees, 1), kernel.shape)
    return cv2.filter2D(face, -1, turned / turned.sum(), borderType=cv2.BORDER_REPLICATE)


def _pixels(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _compress(image: np.ndarray, codec: str, setting: int, quality: int) -> np.ndarray:
    """Compress with halved colour resolution, and read back; OpenCV's images are blue, green, red."""
    _, encoded = cv2.imencode(codec, image[..., ::-1], [setting, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None, "cv2 reads what it wrote"
    return decoded[..., ::-1]
