"""Augmentation: mirror, move and degrade training faces, so that the gain is not tied to one crop or kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from ftlgan.degradation import degrade, draw_kind
from ftlgan.faces import HR
from ftlgan.params import Augmentation, Degradation


@dataclass(frozen=True)
class Moves:
    """How faces are moved, drawn for a whole batch, so that a process can take its share."""

    border: int
    """The largest shift, pixels. Faces are shifted within a border that repeats their edge."""
    corner: np.ndarray
    """int64 (N, 2): y and x of the corner of each face in the face with its border."""
    angle: np.ndarray
    """float64 (N,): degrees."""
    factor: np.ndarray
    """float64 (N,): above 1 makes a face larger."""

    def __getitem__(self, part: slice) -> Self:
        return type(self)(self.border, self.corner[part], self.angle[part], self.factor[part])


def draw_moves(count: int, res: int, config: Augmentation, rng: np.random.Generator) -> Moves:
    """Draw moves like a detector's errors on a small photo.

    Args:
        count: the number of faces.
        res: width and height of the low-resolution faces, pixels: the unit of the shift. A face is shifted by whole
            high-resolution pixels.
        config: ranges of shift, rotation and scale.
        rng: random numbers.
    """
    border = round(config.shift * HR / res)
    corner = rng.integers(0, 2 * border + 1, (count, 2))
    angle, factor = rng.normal(0, config.rotation, count), np.exp(rng.normal(0, config.scale, count))
    return Moves(border, corner, angle, factor)


def mirror(faces: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Mirror faces, (N, H, W, 3), where `mirrored`, bool (N,), is true."""
    return np.where(mirrored[:, None, None, None], faces[:, :, ::-1], faces)


def move(faces: np.ndarray, moves: Moves) -> np.ndarray:
    """Move faces, uint8 RGB (N, 112, 112, 3). Pixels beyond the border repeat it."""
    border, size = moves.border, faces.shape[1]
    padded = np.pad(faces, ((0, 0), (border, border), (border, border), (0, 0)), mode="edge")
    shifted = [face[y : y + size, x : x + size] for face, (y, x) in zip(padded, moves.corner, strict=True)]
    turned = zip(shifted, moves.angle, moves.factor, strict=True)
    return np.stack([_turn_and_scale(face, angle, factor) for face, angle, factor in turned])


def degrade_each(
    faces: np.ndarray, res: int, config: Degradation, streams: Sequence[np.random.Generator]
) -> np.ndarray:
    """Degrade faces, uint8 RGB (N, 112, 112, 3), to (N, res, res, 3), each with random numbers of its own."""
    drawn = zip(faces, streams, strict=True)
    return np.stack([degrade(face, res, draw_kind(config, rng), rng) for face, rng in drawn])


def _turn_and_scale(face: np.ndarray, angle: float, factor: float) -> np.ndarray:
    """Rotate a face around its center, and scale it."""
    if angle == 0 and factor == 1:
        return face
    size = face.shape[1]
    centre = ((size - 1) / 2, (size - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle, factor)
    return cv2.warpAffine(face, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
