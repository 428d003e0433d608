"""Hair as a few thousand locks: ribbons that grow out of the scalp, follow a comb, and fall.

A lock is about two pixels wide in the photos; single hairs could not be seen.
"""

from dataclasses import dataclass

import numpy as np

JOINTS = 7  # points along a lock
FACE_DEPTH, FACE_HALF_WIDTH, HAIRLINE = 0.02, 0.064, 0.045  # what falling locks leave free, metres


@dataclass(frozen=True)
class Style:
    """How somebody wears their hair."""

    length: float
    """Metres."""

    lift: float
    """How much a lock stands up from the skin when it leaves it; 1 is as much as it lies along it."""

    comb: tuple[float, float, float]
    """Where the comb pulls, as a direction; locks also fall away from the crown."""

    parting: float
    """Where locks part to the left and to the right, x in metres."""

    weight: float
    """How fast a lock turns downwards, 0..1 a joint."""

    curl: float
    """Radius of the waves, metres."""

    width: float
    """Of a lock, metres."""

    locks: int
    """How many of them."""


@dataclass(frozen=True)
class Ribbons:
    """Locks as a triangle mesh."""

    vertices: np.ndarray
    """Shape (R, 3), float32, metres."""

    normals: np.ndarray
    """Shape (R, 3), float32, unit length."""

    faces: np.ndarray
    """Shape (G, 3), uint32."""

    colors: np.ndarray
    """Linear RGB albedo, shape (R, 3), float32, 0..1."""


def grow(
    vertices: np.ndarray,
    faces: np.ndarray,
    density: np.ndarray,
    style: Style,
    color: np.ndarray,
    rng: np.random.Generator,
) -> Ribbons:
    """Grow locks on a head.

    Args:
        vertices: the head, shape (V, 3), metres.
        faces: its triangles, shape (F, 3).
        density: how thick the hair grows at each vertex, shape (V,), 0..1.
        style: how it is worn.
        color: linear RGB albedo, shape (3,).
        rng: where the locks grow and how they differ.
    """
    roots, normals = _sow(vertices, faces, density, style.locks, rng)
    skull = _skull(vertices[density > 0.5])
    points = _fall(roots, normals, style, skull, rng)
    colors = color * np.exp(rng.normal(0, 0.22, (len(roots), 1)))
    return _ribbons(points, skull[0], style.width, colors.astype(np.float32))


def _sow(
    vertices: np.ndarray, faces: np.ndarray, density: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Roots, evenly over the area times the density, and the skin's normals there; both (count, 3)."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    crosses = np.cross(b - a, c - a)
    areas = np.linalg.norm(crosses, axis=1)
    chances = areas * density[faces].mean(axis=1)
    chosen = rng.choice(len(faces), count, p=chances / chances.sum())
    corners = rng.dirichlet((1, 1, 1), count)[:, :, None]
    roots = corners[:, 0] * a[chosen] + corners[:, 1] * b[chosen] + corners[:, 2] * c[chosen]
    return roots, crosses[chosen] / areas[chosen, None]


def _skull(scalp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half axes of the ellipsoid through the top, the back and the sides of the scalp."""
    back, top = scalp[:, 1].max(), scalp[:, 2].max()
    half_width = np.abs(scalp[:, 0]).max()
    center = np.array([0.0, 0.07, 0.015])
    return center, np.array([half_width, back - center[1], top - center[2]])


def _fall(
    roots: np.ndarray,
    normals: np.ndarray,
    style: Style,
    skull: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Points of the locks from root to tip, shape (L, JOINTS, 3)."""
    lengths = style.length * rng.uniform(0.75, 1.1, (len(roots), 1))
    step = lengths / (JOINTS - 1)
    down = np.array([0.0, 0.0, -1.0])
    aside = np.sign(roots[:, :1] - style.parting) * np.array([1.0, 0.0, 0.0])
    from_crown = roots - np.array([style.parting / 2, 0.11, 0.10])
    pull = np.array(style.comb) + 0.6 * aside + from_crown / np.linalg.norm(from_crown, axis=1, keepdims=True)
    pull -= (pull * normals).sum(axis=1, keepdims=True) * normals
    direction = pull / np.linalg.norm(pull, axis=1, keepdims=True) + style.lift * normals
    direction += rng.normal(0, 0.15, direction.shape)
    phase, pace = rng.uniform(0, 2 * np.pi, (len(roots), 1)), rng.uniform(0.7, 1.3, (len(roots), 1))
    rise = rng.uniform(1.01, 1.10, (len(roots), 1))  # locks lie above one another

    points = [roots]
    for joint in range(1, JOINTS):
        direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        wave = style.curl * np.cos(phase + 2.4 * pace * joint) * np.cross(direction, normals)
        grown = _outside_face(_outside_skull(points[-1] + step * direction + wave, skull, rise), roots)
        direction = (grown - points[-1]) / step + style.weight * down
        points.append(grown)
    return np.stack(points, axis=1)


def _outside_skull(points: np.ndarray, skull: tuple[np.ndarray, np.ndarray], rise: np.ndarray) -> np.ndarray:
    center, axes = skull
    depth = np.linalg.norm((points - center) / axes, axis=1, keepdims=True) / rise
    return np.where(depth < 1, center + (points - center) / np.maximum(depth, 0.3), points)


def _outside_face(points: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Push aside what would hang before the face."""
    before_face = (points[:, 1] < FACE_DEPTH) & (points[:, 2] < HAIRLINE) & (np.abs(points[:, 0]) < FACE_HALF_WIDTH)
    side = np.where(np.abs(points[:, :1]) > 0.01, np.sign(points[:, :1]), np.sign(roots[:, :1] + 1e-9))
    aside = np.concatenate([side * FACE_HALF_WIDTH, np.maximum(points[:, 1:2], -0.01), points[:, 2:]], axis=1)
    return np.where(before_face[:, None], aside, points)


def _ribbons(points: np.ndarray, center: np.ndarray, width: float, colors: np.ndarray) -> Ribbons:
    """Flat bands along the points, broad side outwards, narrowing to the tip."""
    locks, joints, _ = points.shape
    along = np.gradient(points, axis=1)
    outwards = points - center
    across = np.cross(along, outwards)
    across /= np.linalg.norm(across, axis=2, keepdims=True) + 1e-9
    normals = np.cross(across, along)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True) + 1e-9
    half = across * (width / 2 * np.linspace(1, 0.35, joints) ** 0.7)[None, :, None]
    vertices = np.stack([points - half, points + half], axis=2).reshape(-1, 3)

    first = (np.arange(locks)[:, None] * joints + np.arange(joints - 1)).ravel()[:, None] * 2
    faces = np.concatenate([first + (0, 2, 1), first + (1, 2, 3)])
    # Tips catch more light than roots, which stand in each other's shadow.
    shades = colors[:, None] * np.linspace(0.75, 1.15, joints)[None, :, None]
    return Ribbons(
        vertices=vertices.astype(np.float32),
        normals=np.repeat(normals, 2, axis=1).reshape(-1, 3).astype(np.float32),
        faces=faces.astype(np.uint32),
        colors=np.repeat(shades, 2, axis=1).reshape(-1, 3).clip(0, 1).astype(np.float32),
    )
