"""Painting by position: soft edges and noise over the points of a surface."""

import numpy as np


def mix(colors: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Blend colors (V, 3) with another color, (3,) or (V, 3), by its share at each vertex (V,), 0..1."""
    return colors * (1 - share[:, None]) + other * share[:, None]


def soft_step(distance: np.ndarray) -> np.ndarray:
    """Return the logistic function: 0 far below zero, 1/2 at zero, 1 far above. It paints an edge."""
    return 1 / (1 + np.exp(-np.clip(distance, -30, 30)))


def bump(distance: np.ndarray) -> np.ndarray:
    """Return a Gaussian: 1 at zero, and nearly 0 from 2 on. It paints a line or a spot."""
    return np.exp(-(distance**2))


def noise(points: np.ndarray, frequency: float, octaves: int, rng: np.random.Generator) -> np.ndarray:
    """Draw smooth noise in space, roughly standard normal, shape (V,), as a sum of waves in random directions.

    Args:
        points: positions, shape (V, 3), meters.
        frequency: frequency of the first octave, radians per meter.
        octaves: number of octaves; each has twice the frequency and half the amplitude of the one before.
        rng: random numbers for the waves.
    """
    waves, total = 16, np.zeros(len(points))
    for octave in range(octaves):
        directions = rng.normal(size=(3, waves)) * frequency * 2**octave
        phases = rng.uniform(0, 2 * np.pi, waves)
        # einsum, because the order of additions in a BLAS product depends on the number of threads.
        angles = np.einsum("vc,cw->vw", points, directions) + phases
        total += np.sin(angles).sum(axis=1) * np.sqrt(2 / waves) / 2**octave
    return total
