"""Draws the blurred backdrop behind a person."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

MUTED = np.array(
    [
        [0.30, 0.24, 0.18],
        [0.45, 0.42, 0.38],
        [0.18, 0.24, 0.34],
        [0.16, 0.22, 0.14],
        [0.30, 0.12, 0.10],
        [0.08, 0.09, 0.12],
    ]
)  # linear RGB: wood, plaster, blue cloth, leaves, brick, night
COARSE = 64  # pixels; a blurred backdrop needs no more


def backdrop(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a backdrop: a wall, a room, a crowd of lights or the open air.

    Returns:
        Linear RGB, shape (size, size, 3), 0..1.
    """
    draw = (_wall, _room, _lights, _outdoors)[rng.choice(4, p=(0.35, 0.3, 0.1, 0.25))]
    base = MUTED[rng.integers(len(MUTED))] * rng.lognormal(0, 0.5)
    base = base.mean() + rng.uniform(0.2, 1) * (base - base.mean())
    patches = Image.fromarray(rng.normal(0, 0.2, (5, 5)).astype(np.float32))  # uneven lighting
    lit = np.exp(np.asarray(patches.resize((COARSE, COARSE), Image.Resampling.BICUBIC), float))[..., None]
    picture = Image.fromarray((255 * (draw(base, rng) * lit).clip(0, 1) ** (1 / 2.2)).astype(np.uint8))
    blurred = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 4)))
    return (np.asarray(blurred.resize((size, size), Image.Resampling.BICUBIC)) / 255) ** 2.2


def _wall(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one color, brighter towards one side."""
    y, x = np.mgrid[-1 : 1 : COARSE * 1j, -1 : 1 : COARSE * 1j]
    slope = rng.normal(0, 0.35, 2)
    return base * np.exp(slope[0] * x + slope[1] * y)[..., None]


def _room(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a wall with rectangles in other colors, such as doors, frames, shelves or people."""
    picture = Image.fromarray((255 * _wall(base, rng).clip(0, 1)).astype(np.uint8))
    pencil = ImageDraw.Draw(picture)
    for _ in range(rng.integers(2, 9)):
        left, top = rng.integers(-20, COARSE, 2)
        width, height = rng.integers(4, 30), rng.integers(8, 60)
        color = MUTED[rng.integers(len(MUTED))] * rng.lognormal(0, 0.7)
        pencil.rectangle((left, top, left + width, top + height), fill=_bytes(color))
    return np.asarray(picture, np.float64) / 255


def _lights(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw lamps in the dark."""
    picture = Image.fromarray((255 * _wall(0.2 * base, rng).clip(0, 1)).astype(np.uint8))
    pencil = ImageDraw.Draw(picture)
    for _ in range(rng.integers(5, 30)):
        (x, y), radius = rng.integers(0, COARSE, 2), rng.uniform(1, 4)
        color = rng.uniform(0.2, 1) * np.array([1, rng.uniform(0.6, 1), rng.uniform(0.3, 1)])
        pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_bytes(color))
    return np.asarray(picture, np.float64) / 255


def _outdoors(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a sky over something green, gray or brown."""
    horizon = rng.uniform(-0.2, 0.9) * COARSE
    sky = rng.uniform(0.4, 1) * np.array([0.75, 0.87, 1.0]) ** rng.uniform(0, 3)
    rows = np.arange(COARSE)[:, None, None] < horizon + rng.normal(0, 2, COARSE).cumsum()[None, :, None]
    leaves = np.exp(rng.normal(0, 0.5, (COARSE, COARSE, 1)))
    return np.where(rows, sky, base * leaves)


def _bytes(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (255 * color.clip(0, 1)).astype(int).tolist()
    return red, green, blue
