"""Rasterizes triangles: finds the nearest surface that a pinhole camera sees at each point of the film.

We do not use a renderer, because photos must be the same on every processor. Renderers use approximate reciprocals,
which differ between makers of processors: Mitsuba's pictures differed by 1e-5 of their range, and in about 70 pixels of
a photo by one level. This code only adds, multiplies and divides float64, for which IEEE 754 defines every bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

SAMPLES = 2
"""The number of samples along each side of a pixel."""
SPREAD = 0.5
"""The standard deviation of the Gaussian weights of the samples around a pixel, pixels."""
REACH = 2
"""The radius of these weights, pixels."""

TRIANGLES_AT_A_TIME = 4096
"""The number of triangles per step, small enough that their samples take only some megabytes."""


@dataclass(frozen=True)
class Mesh:
    """Triangles that emit light in the colors of their corners."""

    vertices: np.ndarray
    """Shape (V, 3), meters."""

    faces: np.ndarray
    """The corners of the triangles, shape (F, 3), counter-clockwise as seen from the side that emits."""

    colors: np.ndarray
    """Linear RGB, shape (V, 3)."""


@dataclass(frozen=True)
class Camera:
    """A camera. All vertices must be in front of it."""

    position: np.ndarray
    """Shape (3,), meters."""

    target: np.ndarray
    """The point in the middle of the picture, shape (3,), meters."""

    up: np.ndarray
    """The upward direction in the picture, shape (3,)."""

    field: float
    """The width and height of the picture at the distance of the target, meters."""


def expose(meshes: Sequence[Mesh], camera: Camera, size: int) -> np.ndarray:
    """Take a picture.

    Args:
        meshes: the meshes in front of the camera. The back of a triangle is black.
        camera: the camera.
        size: width and height of the picture, pixels.

    Returns:
        Linear RGB, black where there is no mesh, and the covered share of each pixel, 0..1, shape (size, size, 4).
    """
    side = size * SAMPLES
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    corners = np.concatenate([mesh.faces + start for start, mesh in zip(starts, meshes, strict=False)])
    colors = np.concatenate([mesh.colors for mesh in meshes])
    places = _project(np.concatenate([mesh.vertices for mesh in meshes]), camera, side)
    faces = np.take_along_axis(corners, np.argsort(places[corners, 1], axis=1, kind="stable"), axis=1)
    nearest = _nearest(places[faces], side)
    (sample,) = np.nonzero(nearest >= 0)
    triangle = nearest[sample]
    weights = _weights(places[faces[triangle]], sample, side) * _is_front(places[corners])[triangle, None]
    film = np.zeros((side * side, 4))
    film[sample, :3] = np.einsum("sk,skc->sc", weights, colors[faces[triangle]])
    film[sample, 3] = 1
    return _filter(film.reshape(side, side, 4))


def _project(vertices: np.ndarray, camera: Camera, side: int) -> np.ndarray:
    """Return the column and row on the film, and 1 / depth, which unlike the depth is linear on the film, (V, 3)."""
    forward = camera.target - camera.position
    distance = np.linalg.norm(forward)
    right = np.cross(forward, camera.up)
    axes = np.stack([right, np.cross(forward, right), forward])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    x, y, depth = np.einsum("vc,ac->av", vertices - camera.position, axes)
    scale = side * distance / camera.field / depth
    return np.stack([side / 2 + scale * x, side / 2 + scale * y, 1 / depth], axis=1)


def _is_front(corners: np.ndarray) -> np.ndarray:
    """Tell which triangles, (F, 3, 3), are counter-clockwise in the picture, whose rows go down: bool, shape (F,)."""
    (ax, ay, _), (bx, by, _), (cx, cy, _) = corners.transpose(1, 2, 0)
    return (bx - ax) * (cy - ay) < (cx - ax) * (by - ay)


def _nearest(corners: np.ndarray, side: int) -> np.ndarray:
    """Find the nearest triangle at each sample.

    Args:
        corners: column, row and nearness (1 / depth) of the corners of the triangles, the highest corner first, shape
            (F, 3, 3).
        side: samples along a side of the film.

    Returns:
        The number of the triangle, or -1 if there is none, shape (side * side,).
    """
    nearest = np.full(side * side, -1)
    nearness = np.zeros(side * side)
    front_to_back = np.argsort(-corners[:, :, 2].max(axis=1), kind="stable")  # finds most hidden samples early
    for start in range(0, len(corners), TRIANGLES_AT_A_TIME):
        triangles = front_to_back[start : start + TRIANGLES_AT_A_TIME]
        triangle, sample, near = _samples(corners[triangles], side)
        visible = near > nearness[sample]
        triangle, sample, near = triangle[visible], sample[visible], near[visible]
        np.maximum.at(nearness, sample, near)
        wins = near == nearness[sample]
        nearest[sample[wins]] = triangles[triangle[wins]]
    return nearest


def _samples(corners: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the samples that triangles cover, row by row: the numbers of the triangle and of the sample, and nearness.

    A row ends at the long edge, from the highest corner to the lowest, and at one of the two short edges. Triangles
    that share an edge compute bit-identical ends, so no sample between them is lost.
    """
    triangle, row = _between(corners[:, 0, 1], corners[:, 2, 1], side)
    highest, middle, lowest = corners[triangle].transpose(1, 2, 0)
    y = row + 0.5
    upper = y < middle[1]
    x_long, near_long = _at_row(y, highest, lowest)
    x_short, near_short = _at_row(y, np.where(upper, highest, middle), np.where(upper, middle, lowest))
    span, column = _between(np.minimum(x_long, x_short), np.maximum(x_long, x_short), side)
    along = (column + 0.5 - x_long[span]) / (x_short - x_long)[span]
    nearness = near_long[span] + along * (near_short - near_long)[span]
    return triangle[span], row[span] * side + column, nearness


def _at_row(y: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return column and nearness, shape (2, R), where edges from `start` to `end`, (3, R) each, cross the rows `y`."""
    return start[::2] + (y - start[1]) / (end[1] - start[1]) * (end[::2] - start[::2])


def _between(start: np.ndarray, end: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """List the positions 0.5, 1.5, ... below `side` in each range: the number of the range, and the position - 0.5."""
    first, last = (np.ceil(bound - 0.5).clip(0, side).astype(np.int64) for bound in (start, end))
    counts = last - first
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) + (first - np.cumsum(counts) + counts)[which]


def _weights(corners: np.ndarray, sample: np.ndarray, side: int) -> np.ndarray:
    """Return the weights, in space and not on the film, of a triangle's corners at a sample in it, shape (S, 3)."""
    x, y, near = corners.transpose(2, 1, 0)
    x, y = x - (sample % side + 0.5), y - (sample // side + 0.5)
    opposite = np.roll(x, -1, axis=0) * np.roll(y, -2, axis=0) - np.roll(x, -2, axis=0) * np.roll(y, -1, axis=0)
    weights = opposite * near
    return (weights / weights.sum(axis=0)).T


def _filter(film: np.ndarray) -> np.ndarray:
    """Reduce samples to pixels by the Gaussian-weighted mean around each pixel's center."""
    taps = 2 * REACH * SAMPLES
    distances = (np.arange(taps) + 0.5) / SAMPLES - REACH
    weights = np.exp(-(distances**2) / (2 * SPREAD**2)) - np.exp(-(REACH**2) / (2 * SPREAD**2))
    weights /= weights.sum()
    margin = (taps - SAMPLES) // 2
    for _ in range(2):  # along the columns, then, transposed, along the rows
        padded = np.pad(film, ((margin, margin), (0, 0), (0, 0)), "edge")
        parts = (weight * padded[tap : tap + len(film) : SAMPLES] for tap, weight in enumerate(weights))
        film = reduce(np.add, parts).transpose(1, 0, 2)
    return film
