"""Glasses, hats and clothes; and the teeth, which a smile shows."""

from dataclasses import dataclass

import numpy as np

from ftlgan.sources.synthetic.anatomy import Bust
from ftlgan.sources.synthetic.hair import SKULL_CENTER
from ftlgan.sources.synthetic.paint import mix, soft_step

SIDES, RIM_POINTS = 5, 28  # of the tubes that form glasses
LENS_X = 0.031  # x of the center of a lens, meters
HINGE_Z, EAR = 0.006, np.array([0.074, 0.075, 0.004])  # start and end of the temples, meters
DARK_GLASS = np.array([0.01, 0.01, 0.012])

HAT_THICKNESS = 0.009
RIBS = 65  # must be an integer, or a seam is visible
BRIM_LENGTH, BRIM_HALF_WIDTH, BRIM_THICKNESS = 0.075, 0.078, 0.002

NECK_DEPTH = 0.075  # y of the neck's axis, meters
COLLAR_RADII, COLLAR_TOP = (0.060, 0.080), -0.130  # meters
CLOTH = 0.004  # thickness, meters
WHITE_SHIRT = np.array([0.75, 0.75, 0.77])

TOOTH = np.array([0.44, 0.39, 0.32])
TOOTH_WIDTH, TOOTH_HEIGHT = 0.0075, 0.0085


@dataclass(frozen=True)
class Solid:
    """A triangle mesh of something worn, or of the teeth."""

    vertices: np.ndarray
    """Shape (W, 3), meters."""

    faces: np.ndarray
    """Shape (F, 3)."""

    albedo: np.ndarray
    """Linear RGB, shape (W, 3), 0..1."""


@dataclass(frozen=True)
class Glasses:
    """A pair of glasses. Lengths are in meters."""

    half_width: float
    half_height: float
    squareness: float
    """The exponent of the superellipse of the rims: 2 is round."""
    thickness: float
    """The radius of the tubes."""
    color: np.ndarray
    """Linear RGB albedo, shape (3,)."""


def glasses(style: Glasses, bust: Bust, vertices: np.ndarray, dark: bool) -> Solid:
    """Put glasses on a nose, or sunglasses if `dark`."""
    x, _, z = bust.template.T
    before_eyes = vertices[(np.abs(x) < 0.05) & (np.abs(z) < 0.012) & (bust.template[:, 1] < 0.01)]
    lens_y = before_eyes[np.abs(before_eyes[:, 0]) > 0.014, 1].min() - 0.004
    bridge_y = min(lens_y, before_eyes[np.abs(before_eyes[:, 0]) < 0.006, 1].min() - 0.002)
    angles = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    rounded = np.sign(circle) * np.abs(circle) ** (2 / style.squareness)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for side in (-1, 1):
        rim_x = side * LENS_X + style.half_width * rounded[0]
        # Lenses follow the curve of the face.
        rim_y = lens_y + 3.5 * np.maximum(np.abs(rim_x) - 0.02, 0) ** 2
        rim = np.stack([rim_x, rim_y, -0.002 + style.half_height * rounded[1]], axis=1)
        parts.append((*_tube(np.concatenate([rim, rim[:1]]), style.thickness), style.color))
        outer = side * (LENS_X + style.half_width)
        hinge = np.array([outer, lens_y + 3.5 * (abs(outer) - 0.02) ** 2, HINGE_Z])
        temple = np.linspace(hinge, EAR * (side, 1, 1), 6)
        parts.append((*_tube(temple, style.thickness), style.color))
        if dark:
            fan = np.stack(
                [np.full(RIM_POINTS, RIM_POINTS), np.arange(RIM_POINTS), np.roll(np.arange(RIM_POINTS), -1)], 1
            )
            parts.append((np.concatenate([rim, rim.mean(axis=0, keepdims=True)]), fan, DARK_GLASS))
    inner = LENS_X - style.half_width
    across = np.linspace(-inner, inner, 7)
    arch = np.stack([across, bridge_y + 0 * across, 0.004 + 0.004 * (1 - (across / inner) ** 2)], axis=1)
    arch[[0, -1], 1] = lens_y
    parts.append((*_tube(arch, style.thickness), style.color))
    return _join(parts)


def teeth(bust: Bust, vertices: np.ndarray) -> Solid:
    """Return the upper front teeth: a curved strip behind the lips that does not move with the jaw.

    Args:
        bust: the surface that everybody shares.
        vertices: the person at rest, with the mouth closed, shape (V, 3).
    """
    x, y, _ = bust.template.T
    front = (bust.lips > 0.5) & (np.abs(x) < 0.006) & (y < -0.02)
    top, bottom = vertices[front, 2].max(), vertices[front, 2].min()
    lips_y = vertices[front, 1].min()
    columns = np.linspace(-0.026, 0.026, 57)
    rows = np.linspace(0, TOOTH_HEIGHT, 4)
    mouth = (top + bottom) / 2 + 0.002
    grid_x, grid_z = np.meshgrid(columns, mouth - TOOTH_HEIGHT / 2 + rows)
    grid_y = lips_y + 0.0085 + 26 * grid_x**2
    gaps = np.abs(np.abs(grid_x) / TOOTH_WIDTH - np.round(np.abs(grid_x) / TOOTH_WIDTH)) < 0.06
    shade = np.where(gaps, 0.6, 1.0) * np.clip(1.1 - 22 * np.abs(grid_x), 0.3, 1)
    albedo = (TOOTH * shade[..., None]).reshape(-1, 3)
    return Solid(np.stack([grid_x, grid_y, grid_z], axis=-1).reshape(-1, 3), _grid_faces(4, 57), albedo)


def hat(
    bust: Bust, vertices: np.ndarray, colors: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Solid | None]:
    """Pull a knitted hat or a cap with a brim over a head.

    Returns:
        The vertices and colors of the bust, shape (V, 3); the degree to which the hat covers each vertex, shape (V,),
        0..1; and the brim, or None.
    """
    _, y, z = bust.template.T
    edge = rng.uniform(0.030, 0.044) - 0.35 * np.clip(y, -0.05, 0.16)
    covered = soft_step((z - edge) / 0.0012) * (1 - bust.ears)
    color = (rng.uniform(0.02, 0.4) * rng.dirichlet((4, 4, 4)) * 3).clip(0.01, 0.8)
    outwards = bust.template - SKULL_CENTER
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    ribs = 1 + 0.12 * np.sin(RIBS * np.arctan2(bust.template[:, 0], y - 0.07))
    vertices = vertices + HAT_THICKNESS * covered[:, None] * outwards
    colors = mix(colors, color * ribs[:, None], covered)
    return vertices, colors, covered, _brim(bust, vertices, color, float(edge.max())) if rng.random() < 0.5 else None


def _brim(bust: Bust, vertices: np.ndarray, color: np.ndarray, height: float) -> Solid:
    across, along = np.meshgrid(np.linspace(-1, 1, 25), np.linspace(0, 1, 10))
    x = BRIM_HALF_WIDTH * across
    forehead = vertices[(np.abs(bust.template[:, 0]) < 0.02) & (np.abs(bust.template[:, 2] - height) < 0.006), 1].min()
    begins = forehead + 0.004 + 0.075 * across**2
    y = begins - BRIM_LENGTH * along * np.sqrt(np.maximum(1 - across**2, 0))
    z = height + 0.004 - 0.018 * along - 0.022 * across**2
    upper = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    lower = upper - np.array([0, 0, BRIM_THICKNESS])
    faces = _grid_faces(10, 25)
    return Solid(
        np.concatenate([upper, lower]),
        np.concatenate([faces[:, ::-1], faces + len(upper)]),
        np.tile(color, (2 * len(upper), 1)),
    )


def dress(
    bust: Bust, vertices: np.ndarray, colors: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Clothe the shoulders in a shirt or sweater, or in a jacket over a white shirt, sometimes with a tie."""
    x, y, z = bust.template.T
    from_neck = np.hypot(x, y - NECK_DEPTH)
    jacket = rng.random() < 0.35
    collar = COLLAR_RADII[0] if jacket else rng.uniform(*COLLAR_RADII)
    clothed = soft_step((from_neck - collar) / 0.003) * soft_step((COLLAR_TOP - z) / 0.003)
    cloth = np.tile((3 * rng.uniform(0.01, 0.4) * rng.dirichlet((7, 7, 7))).clip(0, 0.9), (len(x), 1))
    if jacket:
        opening = 0.018 + 0.35 * np.maximum(-0.135 - z, 0)
        cloth = mix(
            0.4 * cloth,
            WHITE_SHIRT * rng.uniform(0.6, 1),
            soft_step((0.075 - opening - np.abs(x)) / 0.002) * (y < 0.06),
        )
        tie = rng.uniform(0.02, 0.3) * rng.dirichlet((2, 1, 2)) * 2
        cloth = mix(
            cloth, tie.clip(0, 0.9), (rng.random() < 0.6) * soft_step((0.016 - np.abs(x)) / 0.0015) * (y < 0.06)
        )
    outwards = np.stack([x, y - NECK_DEPTH, np.full_like(z, 0.1)], axis=1) / from_neck[:, None]
    return (vertices + CLOTH * clothed[:, None] * outwards), mix(colors, cloth, clothed)


def _tube(line: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a tube of SIDES sides along a line of points (K, 3): vertices and triangles."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, (0.3, 0.5, 0.81))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    up = np.cross(along, across)
    angles = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    ring = np.cos(angles)[:, None, None] * across + np.sin(angles)[:, None, None] * up
    vertices = (line + radius * ring).transpose(1, 0, 2).reshape(-1, 3)
    k, side = np.meshgrid(np.arange(len(line) - 1), np.arange(SIDES), indexing="ij")
    a, b = (k * SIDES + side).ravel(), (k * SIDES + (side + 1) % SIDES).ravel()
    return vertices, np.concatenate([np.stack([a, b, a + SIDES], 1), np.stack([b, b + SIDES, a + SIDES], 1)])


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()[:, None]
    return np.concatenate([first + np.array([0, 1, columns]), first + np.array([1, columns + 1, columns])])


def _join(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Solid:
    """Join several meshes, given as vertices, triangles and one color each."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _, _ in parts)])
    return Solid(
        np.concatenate([vertices for vertices, _, _ in parts]),
        np.concatenate([faces + start for start, (_, faces, _) in zip(starts, parts, strict=False)]),
        np.concatenate([np.tile(color, (len(vertices), 1)) for vertices, _, color in parts]),
    )
