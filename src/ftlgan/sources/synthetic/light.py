"""Computes the light on a person from a lamp or the sun and from the surroundings, with shadows.

Light is computed at the vertices, which are about a pixel apart on the face, and not along random rays. So there is no
noise to average out, and a photo takes a third of a second.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CELL, DEPTH_BIAS, PENUMBRA = 0.004, 0.003, 0.004  # of the depth map for shadows of skin and cloth, meters
HAIR_CELL, HAIR_SLICE = 0.010, 0.015  # of the volume for shadows of hair, meters
HAIR_OPACITY = 0.6  # optical depth of one layer of locks
REACH = 0.36  # largest distance of shadow casters from the origin, meters


@dataclass(frozen=True)
class Light:
    """Light from L directions."""

    directions: np.ndarray
    """Unit vectors towards the light, shape (L, 3)."""

    colors: np.ndarray
    """Linear RGB that a white surface facing the light reflects, shape (L, 3)."""


@dataclass(frozen=True)
class Surface:
    """Points of skin, eyes, cloth and glasses."""

    points: np.ndarray
    """Shape (P, 3), meters."""

    casters: np.ndarray
    """Points dense enough to cast a closed shadow, shape (C, 3), meters."""

    normals: np.ndarray
    """Shape (P, 3), unit length."""

    albedo: np.ndarray
    """Linear RGB, shape (P, 3), 0..1."""

    gloss: np.ndarray
    """The strength of highlights, shape (P,); 1 for skin that is neither dry nor oily."""

    sharpness: np.ndarray
    """The exponent of the highlights, shape (P,)."""

    softness: np.ndarray
    """The extent to which light of each color scatters into the shade, shape (P, 1) or (P, 3), 0..1."""


@dataclass(frozen=True)
class Strands:
    """Points of hair."""

    points: np.ndarray
    """Shape (S, 3), meters."""

    tangents: np.ndarray
    """Directions along the hair, shape (S, 3), unit length."""

    normals: np.ndarray
    """Directions away from the head, shape (S, 3), unit length."""

    albedo: np.ndarray
    """Linear RGB, shape (S, 3), 0..1."""

    casters: np.ndarray
    """Points that dim the light, spread more evenly than `points`, shape (C, 3), meters."""

    areas: np.ndarray
    """The area that each caster covers, shape (C,), square meters."""


def shine(light: Light, surface: Surface, strands: Strands, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the light that each point sends to the camera.

    Args:
        light: the light.
        surface: opaque points.
        strands: points of hair, which dims the light behind it; there may be none.
        camera: unit vector towards the camera, shape (3,).

    Returns:
        Linear RGB of the surface, shape (P, 3), and of the strands, shape (S, 3).
    """
    seen = np.zeros_like(surface.albedo)
    seen_hair = np.zeros_like(strands.albedo)
    for direction, color in zip(light.directions, light.colors, strict=True):
        shadows = _Shadows(direction, surface.casters, strands)
        lit = shadows.light_at(surface.points + CELL * surface.normals)[:, None]
        seen += lit * color * (_matt(surface, direction) + _gloss(surface, direction, camera))
        lit_hair = shadows.light_at(strands.points)[:, None]
        seen_hair += lit_hair * color * _hair(strands, direction, camera)
    return seen, seen_hair


def _matt(surface: Surface, direction: np.ndarray) -> np.ndarray:
    """Compute diffuse reflection. Light scattered under the skin reddens the edge of the shade ("wrap" lighting)."""
    cosine = _dot(surface.normals, direction)
    wrapped = np.maximum(0, (cosine + surface.softness) / (1 + surface.softness)) ** (1 + surface.softness)
    return surface.albedo * wrapped


def _gloss(surface: Surface, direction: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Compute normalized Blinn-Phong highlights, with Schlick's approximation of Fresnel's law for skin (index 1.4)."""
    half = _unit(direction + camera)
    facing = np.maximum(0, _dot(surface.normals, half))[:, 0]
    fresnel = 0.028 + 0.972 * (1 - max(0.0, float(half @ camera))) ** 5
    peak = (surface.sharpness + 8) / 8 * facing**surface.sharpness
    return (surface.gloss * fresnel * peak)[:, None] * np.maximum(0, _dot(surface.normals, direction))


def _hair(strands: Strands, direction: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Compute the light on hair, with a white and a colored highlight.

    Source: Kajiya and Kay, "Rendering fur with three dimensional textures" (1989).
    """
    half = _unit(direction + camera)
    across_light = np.sqrt((1 - _dot(strands.tangents, direction) ** 2).clip(0))
    matt = across_light * (0.35 + 0.65 * np.maximum(0, _dot(strands.normals, direction)))
    white = (1 - _dot(strands.tangents + 0.12 * strands.normals, half) ** 2).clip(0) ** 45
    coloured = (1 - _dot(strands.tangents - 0.15 * strands.normals, half) ** 2).clip(0) ** 10
    facing = np.maximum(0, 0.3 + 0.7 * _dot(strands.normals, direction))
    return strands.albedo * (matt + 0.5 * facing * coloured) + 0.035 * facing * white


class _Shadows:
    """The shadows of light from one direction: a depth map of surfaces, and a volume of the hair by slices of depth."""

    def __init__(self, direction: np.ndarray, surface: np.ndarray, strands: Strands) -> None:
        across = _unit(np.cross(direction, (0.0, 0.6, 0.8) if abs(direction[0]) > 0.5 else (1.0, 0.0, 0.0)))
        self._axes = np.stack([across, np.cross(direction, across), direction])
        self._depths = self._depth_map(surface)
        self._thickness = self._hair_volume(strands)

    def light_at(self, points: np.ndarray) -> np.ndarray:
        """Return the share of the light that reaches each point, shape (P,), 0..1."""
        places = self._project(points)
        return self._past_surfaces(places) * np.exp(-self._hair_before(places))

    def _project(self, points: np.ndarray) -> np.ndarray:
        return np.einsum("pc,ac->pa", points, self._axes).clip(-REACH, REACH) + REACH

    def _depth_map(self, points: np.ndarray) -> np.ndarray:
        u, v, depth = self._project(points).T
        size = int(2 * REACH / CELL) + 2
        depths = np.zeros(size * size)
        np.maximum.at(depths, (u / CELL + 0.5).astype(np.int64) * size + (v / CELL + 0.5).astype(np.int64), depth)
        return depths.reshape(size, size)

    def _past_surfaces(self, places: np.ndarray) -> np.ndarray:
        """Return the share of light that passes the surfaces, from the four nearest cells, so that edges are soft."""
        depth = places[:, 2] + DEPTH_BIAS
        lit = np.zeros(len(places))
        for u, v, weight in _four_cells(places[:, :2] / CELL):
            lit += weight * ((depth - self._depths[u, v]) / PENUMBRA + 1).clip(0, 1)
        return lit

    def _hair_volume(self, strands: Strands) -> np.ndarray:
        """Return the optical depth of the hair between the light and each slice, shape (U, V, slices)."""
        size, slices = int(2 * REACH / HAIR_CELL) + 2, int(2 * REACH / HAIR_SLICE) + 3
        u, v, depth = self._project(strands.casters).T
        cells = ((u / HAIR_CELL).astype(np.int64) * size + (v / HAIR_CELL).astype(np.int64)) * slices
        thickness = np.bincount(
            cells + (depth / HAIR_SLICE).astype(np.int64),
            strands.areas * (HAIR_OPACITY / HAIR_CELL**2),
            size * size * slices,
        )
        volume = thickness.reshape(size, size, slices)[..., ::-1]
        return np.cumsum(volume, axis=-1)[..., ::-1]

    def _hair_before(self, places: np.ndarray) -> np.ndarray:
        """Return the optical depth of hair towards the light, interpolated between the four nearest cells."""
        # Take the next slice towards the light, so that a lock is not in its own shadow.
        depth = (places[:, 2] / HAIR_SLICE).astype(np.int64) + 1
        thickness = np.zeros(len(places))
        for u, v, weight in _four_cells(places[:, :2] / HAIR_CELL - 0.5):
            thickness += weight * self._thickness[u, v, depth]
        return thickness


def _four_cells(cells: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield row, column and weight of the four cells around each position, for bilinear interpolation."""
    cells = np.maximum(cells, 0)
    corner = cells.astype(np.int64)
    u, v = corner.T
    right, down = (cells - corner).T
    yield u, v, (1 - right) * (1 - down)
    yield u + 1, v, right * (1 - down)
    yield u, v + 1, (1 - right) * down
    yield u + 1, v + 1, right * down


def _dot(vectors: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return dot products, shape (P, 1), by einsum, because a BLAS's last digits depend on the number of threads."""
    return np.einsum("pc,c->p", vectors, vector)[:, None]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
