"""Augmentation: mirror, move and degrade training faces, so that the gain is not tied to one crop or kernel."""

import cv2
import numpy as np

from ftlgan.degradation import degrade, draw_kind
from ftlgan.params import Augmentation, Degradation


def mirror(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror about half of the faces, (N, H, W, 3). The same state of `rng` mirrors the same faces."""
    mirrored = rng.random(len(faces)) < 0.5
    return np.where(mirrored[:, None, None, None], faces[:, :, ::-1], faces)


def move_and_degrade(
    hr: np.ndarray, res: int, config: Augmentation, degradation: Degradation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Move faces, like a detector's errors on a small photo, and degrade them.

    Args:
        hr: uint8 RGB, (N, S, S, 3). Pixels beyond the border repeat it.
        res: width and height of the low-resolution faces, pixels.
        config: ranges of shift, rotation and scale.
        degradation: params of the degradation.
        rng: random numbers for the moves and the degradation.

    Returns:
        Low-resolution faces (N, res, res, 3), and the moved `hr`.
    """
    moved = _shift(hr, round(config.shift * hr.shape[1] / res), rng)
    if config.rotation or config.scale:
        moved = _turn_and_scale(moved, config, rng)
    return np.stack([degrade(face, res, draw_kind(degradation, rng), rng) for face in moved]), moved


def _shift(faces: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Shift faces by at most `most` whole high-resolution pixels, which are fractions of low-resolution pixels."""
    size = faces.shape[1]
    padded = np.pad(faces, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    corners = rng.integers(0, 2 * most + 1, (len(faces), 2))
    return np.stack([face[y : y + size, x : x + size] for face, (y, x) in zip(padded, corners, strict=True)])


def _turn_and_scale(faces: np.ndarray, config: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Rotate faces around their center, and scale them."""
    size = faces.shape[1]
    angles = rng.normal(0, config.rotation, len(faces))
    factors = np.exp(rng.normal(0, config.scale, len(faces)))
    centre = ((size - 1) / 2, (size - 1) / 2)
    return np.stack(
        [
            cv2.warpAffine(
                face,
                cv2.getRotationMatrix2D(centre, angle, factor),
                (size, size),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for face, angle, factor in zip(faces, angles, factors, strict=True)
        ]
    )
