"""Painting by place: soft edges and noise over the points of a surface."""

import numpy as np


def mix(colors: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Blend colours (V, 3) with another, (3,) or (V, 3), by its share at each vertex (V,), 0..1."""
    return colors * (1 - share[:, None]) + other * share[:, None]


def soft_step(distance: np.ndarray) -> np.ndarray:
    """0 far below zero, 1 far above, half at zero (the logistic function): a painted edge `distance` widths away."""
    return 1 / (1 + np.exp(-np.clip(distance, -30, 30)))


def bump(distance: np.ndarray) -> np.ndarray:
    """1 at zero and nearly 0 from two widths on (a Gaussian): a painted line or spot."""
    return np.exp(-(distance**2))


def noise(points: np.ndarray, frequency: float, octaves: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise in space, about standard normal, shape (V,): sums of waves in random directions.

    Args:
        points: where, shape (V, 3), metres.
        frequency: of the first octave, radians a metre.
        octaves: how many; each has twice the frequency and half the height of the one before.
        rng: which noise.
    """
    waves, total = 16, np.zeros(len(points))
    for octave in range(octaves):
        directions = rng.normal(size=(3, waves)) * frequency * 2**octave
        phases = rng.uniform(0, 2 * np.pi, waves)
        # einsum and not a matrix product: a BLAS may add in another order with another number of threads.
        angles = np.einsum("vc,cw->vw", points, directions) + phases
        total += np.sin(angles).sum(axis=1) * np.sqrt(2 / waves) / 2**octave
    return total
