"""Photos that lie in packages, and generators that are not trained: they interpolate."""

from pathlib import Path

import cv2
import numpy as np
import skimage.data
from insightface.data import get_image

from ftlgan.networks.generator import Generator
from ftlgan.networks.weights import save_generator

KIT_SIZES = (14, 40)
"""Sizes of faces that the kit of the tests knows of, pixels."""
SIZE = {"trunk": "dense", "features": 8, "blocks": 1, "growth": 4, "positions": False}


def astronaut(side: int = 512) -> np.ndarray:
    """Return the portrait of an astronaut with one face, uint8 RGB (side, side, 3)."""
    return cv2.resize(skimage.data.astronaut(), (side, side), interpolation=cv2.INTER_AREA)


def group(reduced: int = 1) -> np.ndarray:
    """Return a photo of six people, uint8 RGB (H, W, 3); reduced by a whole number."""
    photo = np.ascontiguousarray(np.asarray(get_image("t1"), np.uint8)[..., ::-1])
    return cv2.resize(photo, None, fx=1 / reduced, fy=1 / reduced, interpolation=cv2.INTER_AREA)


def untrained(folder: Path, *resolutions: int) -> list[Path]:
    """Write generators that equal bicubic interpolation."""
    files: list[Path] = []
    for res in resolutions:
        path = folder / f"{res}.safetensors"
        generator = Generator(res, trunk="dense", features=8, blocks=1, growth=4, positions=False)
        save_generator(path, generator, {"res": res, **SIZE, "teachers": [{"recognizer": "sface", "sha256": "0" * 64}]})
        files.append(path)
    return files
