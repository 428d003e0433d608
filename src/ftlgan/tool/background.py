"""Enlarge the background of a photo with Real-ESRGAN, tile by tile."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from ftlgan.processes import available_cores
from ftlgan.progress import progress
from ftlgan.restoration.realesrgan import SCALE, NcnnEnlarger

TILE, BORDER = 96, 16
"""The sides of a tile and of its border, pixels. A tile is enlarged with its border, which is then cut off, so that no
seam is visible."""

Enlarge = Callable[[np.ndarray, int], np.ndarray]
"""Takes a photo, uint8 RGB (H, W, 3), and a scale; returns the enlarged photo, uint8 RGB (scale H, scale W, 3)."""


def realesrgan_background() -> Enlarge:
    """Load Real-ESRGAN, which enlarges four times. For smaller scales, its output is reduced by bicubic interpolation.

    Raises:
        WeightsError: if its weights are missing or corrupted.
    """
    enlarge = NcnnEnlarger()

    def enlarged(image: np.ndarray, scale: int) -> np.ndarray:
        height, width = image.shape[:2]
        large = np.empty((SCALE * height, SCALE * width, 3), np.uint8)
        padded = np.pad(image, ((BORDER, BORDER + TILE), (BORDER, BORDER + TILE), (0, 0)), "edge")
        corners = [(top, left) for top in range(0, height, TILE) for left in range(0, width, TILE)]
        for top, left, tile in progress(_tiles(enlarge, padded, corners), "background", len(corners), "tile"):
            place = large[SCALE * top : SCALE * (top + TILE), SCALE * left : SCALE * (left + TILE)]
            place[:] = tile[: place.shape[0], : place.shape[1]]
        if scale == SCALE:
            return large
        reduced = Image.fromarray(large).resize((scale * width, scale * height), Image.Resampling.BICUBIC)
        return np.array(reduced)

    return enlarged


def _tiles(
    enlarge: Callable[[np.ndarray], np.ndarray], padded: np.ndarray, corners: list[tuple[int, int]]
) -> Iterator[tuple[int, int, np.ndarray]]:
    side, border, together = TILE + 2 * BORDER, SCALE * BORDER, available_cores()
    for start in range(0, len(corners), together):
        group = corners[start : start + together]
        tiles = enlarge(np.stack([padded[top : top + side, left : left + side] for top, left in group]))
        for (top, left), tile in zip(group, tiles, strict=True):
            yield top, left, tile[border:-border, border:-border]
