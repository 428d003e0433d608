"""What training sees of a face: mirrored, moved, degraded anew, so that the gain is not tied to one crop or kernel."""

import numpy as np

from ftlgan.degradation import degrade
from ftlgan.params import DegradationKind


def mirror(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror about half of the faces, (N, H, W, 3). The same `rng` mirrors the same ones."""
    mirrored = rng.random(len(faces)) < 0.5
    return np.where(mirrored[:, None, None, None], faces[:, :, ::-1], faces)


def move_and_degrade(
    hr: np.ndarray, res: int, shift: float, kind: DegradationKind, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Move faces by whole high-resolution pixels, which are fractions of low-resolution ones, and degrade them.

    Args:
        hr: uint8 RGB, (N, S, S, 3); the border is repeated outward.
        res: width and height of the low-resolution faces, pixels.
        shift: low-resolution pixels by which a face moves at most, each way.
        kind: of the degradation.
        rng: draws the moves and what the degradation draws.

    Returns:
        Low-resolution faces (N, res, res, 3) and the moved `hr`.
    """
    size = hr.shape[1]
    most = round(shift * size / res)
    padded = np.pad(hr, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    corners = rng.integers(0, 2 * most + 1, (len(hr), 2))
    moved = np.stack([face[y : y + size, x : x + size] for face, (y, x) in zip(padded, corners, strict=True)])
    return np.stack([degrade(face, res, kind, rng) for face in moved]), moved
