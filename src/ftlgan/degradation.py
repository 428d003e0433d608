"""HR -> LR: degrade a face as distance and a small sensor do."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from PIL import Image

from ftlgan.engine import Engine, Local
from ftlgan.faces import FACES, HR, decode_face, encode_png, stream_faces
from ftlgan.params import Degradation, DegradationKind

KERNELS = ("bicubic", "lanczos", "bilinear", "box")
BLUR = (0.1, 0.5)
"""Range of the standard deviation of the lens blur, in low-resolution pixels; drawn for each axis."""
NOISE = (0.0, 6.0)
"""Range of the standard deviation of the sensor noise, in gray levels."""
QUALITY = (60, 95)
"""Range of the JPEG quality."""
MOTION = (0.2, 1.2)
"""Range of the length of the held-out chain's motion blur, in low-resolution pixels."""
PHOTONS = (500, 5000)
"""Range of the number of photons that make white in the held-out chain: at mid-gray, noise of 8 to 2.5 levels."""
WEBP_QUALITY = (40, 90)
"""Range of the held-out chain's WebP quality."""


def degrade(
    face: np.ndarray, res: int, kind: DegradationKind = "bicubic", rng: np.random.Generator | None = None
) -> np.ndarray:
    """Make the low-resolution twin of a face.

    Args:
        face: uint8 RGB, (H, W, 3).
        res: width and height of the result, pixels.
        kind: an antialiased downsampling kernel, or `realistic`: see `shrink_realistically`.
        rng: source of random numbers for the realistic chain.

    Returns:
        uint8 RGB, (res, res, 3).
    """
    if kind != "realistic":
        return downsample(face, (res, res), kind)
    assert rng is not None, "a realistic degradation needs random numbers"
    return shrink_realistically(face, res / HR, rng)


def stream_of(seed: int, face_id: str) -> np.random.Generator:
    """Return the random generator for a face. Its numbers do not depend on other faces."""
    return np.random.default_rng([seed, crc32(face_id.encode())])


def draw_kind(config: Degradation, rng: np.random.Generator) -> DegradationKind:
    """Draw how a training face is degraded: by the realistic chain with probability `realistic`, else by `kind`."""
    return "realistic" if config.realistic and rng.random() < config.realistic else config.kind


def shrink_realistically(image: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Blur an image, downsample it by a random kernel, add noise and compress it as JPEG, as a distant camera does.

    The chain and its ranges are our choice. It follows the first-order chain of Wang et al., "Real-ESRGAN" (2021), but
    is milder, because a face of 14 px has little detail to lose.

    Args:
        image: uint8 RGB, (H, W, 3).
        scale: size of the result relative to the image, above 0 and at most 1.
        rng: source of random numbers for the strength of each step.

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
    """Degrade an image by a chain that shares no step with `shrink_realistically`, and that no training may use.

    The chain is motion blur, a Hamming window, shot noise (stronger where the image is bright) and WebP. It tests how a
    network generalizes to a camera that it was not trained for. The chain and its ranges are our choice.

    Args:
        image: uint8 RGB, (H, W, 3).
        scale: size of the result relative to the image, above 0 and at most 1.
        rng: source of random numbers for the strength of each step.

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
    """Resize an image with an antialiased kernel of Pillow.

    Pillow widens the kernel by the scale, as MATLAB's imresize does, which most published results use. OpenCV, and
    torch without `antialias`, do not widen it, and differ by up to 82 gray levels.

    Args:
        image: uint8 RGB, (H, W, 3).
        size: width and height of the result, pixels.
        kernel: the name of one of `KERNELS`, or `hamming`.

    Returns:
        uint8 RGB.
    """
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling[kernel.upper()]))


def _scaled(image: np.ndarray, scale: float) -> tuple[int, int]:
    """Return the width and height of an image scaled by `scale`, each at least 1 pixel."""
    height, width = image.shape[:2]
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink_each(
    shrink: Callable[[np.ndarray, str], np.ndarray], faces: Path, splits: Sequence[str], engine: Engine | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the faces of a table made small by a function, in order.

    Args:
        shrink: takes a face, uint8 RGB (H, W, 3), and its name, and returns the small face. It is called in any thread
            or worker.
        faces: folder of the table.
        splits: the splits of the people.
        engine: where the faces are made small; by default on this machine.

    Yields:
        Rows of `ftlgan.faces.FACES`.
    """
    batches = (batch.select(FACES.names).to_pylist() for batch in stream_faces(faces, splits))
    for rows, images in (engine or Local()).map(partial(_shrink_rows, shrink), batches):
        for row, image in zip(rows, images, strict=True):
            yield {**row, "image": image}


def _shrink_rows(shrink: Callable[[np.ndarray, str], np.ndarray], rows: list[dict[str, Any]]) -> list[bytes]:
    return [encode_png(shrink(decode_face(row["image"]), row["face_id"])) for row in rows]


def draw_twin(face: np.ndarray, face_id: str, res: int, config: Degradation, seed: int) -> np.ndarray:
    """Make the low-resolution twin of a training face.

    Args:
        face: uint8 RGB, (112, 112, 3).
        face_id: its name. It seeds the random numbers, so that they do not depend on other faces.
        res: width and height of the result, pixels.
        config: how it is degraded.
        seed: seed of the random numbers.

    Returns:
        uint8 RGB, (res, res, 3).
    """
    rng = stream_of(seed, face_id)
    return degrade(face, res, draw_kind(config, rng), rng)


def native_faces(small: Path, res: int, split: str, engine: Engine | None = None) -> Iterator[dict[str, Any]]:
    """Yield native small faces at a resolution, resized by antialiased bicubic resampling if they have another.

    Args:
        small: folder of the table of aligned native small faces.
        res: width and height of the result, pixels.
        split: the split of the people.
        engine: where the faces are resized; by default on this machine.

    Yields:
        Rows of `ftlgan.faces.FACES`.
    """
    return shrink_each(partial(_resize, (res, res)), small, [split], engine)


def _resize(size: tuple[int, int], face: np.ndarray, face_id: str) -> np.ndarray:
    return downsample(face, size, "bicubic")


def blur_by_motion(face: np.ndarray, length: float, degrees: float) -> np.ndarray:
    """Blur along a line, as when a face moves while the shutter is open.

    Args:
        face: uint8 RGB, (H, W, 3).
        length: length of the line, pixels.
        degrees: angle of the line; 0 is horizontal.
    """
    reach = int(np.ceil(length))
    line = np.clip((length + 1) / 2 - np.abs(np.arange(-reach, reach + 1)), 0, 1)  # the ends have partial weight
    kernel = np.zeros((len(line), len(line)))
    kernel[reach] = line
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((reach, reach), degrees, 1), kernel.shape)
    return cv2.filter2D(face, -1, turned / turned.sum(), borderType=cv2.BORDER_REPLICATE)


def _pixels(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _compress(image: np.ndarray, codec: str, setting: int, quality: int) -> np.ndarray:
    """Compress an RGB image with halved color resolution, and decode it again."""
    _, encoded = cv2.imencode(codec, image[..., ::-1], [setting, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None, "cv2 reads what it wrote"
    return decoded[..., ::-1]
