"""Hair as a few thousand locks: ribbons that grow out of the scalp, follow a comb, and fall.

A lock is about two pixels wide in the photos; single hairs could not be seen.
"""

from dataclasses import dataclass

import numpy as np

JOINTS = 7  # points along a lock
FACE_DEPTH, FACE_HALF_WIDTH, FOREHEAD = 0.015, 0.056, 0.035  # what must stay free, metres
SKULL_CENTER = np.array([0.0, 0.07, 0.015])
CROWN = np.array([0.0, 0.11, 0.10])
EARS_TOP = 0.0  # from here up locks lie on the head, from here down they hang
NAPE = -0.08
SKULL_BOTTOM = 0.03  # from here up nobody's ears are in the way


@dataclass(frozen=True)
class Style:
    """How somebody wears their hair."""

    length: float
    """Metres."""

    volume: float
    """How far the tips of the uppermost locks stand off the head, as a share of its radius."""

    comb: tuple[float, float, float]
    """Where the comb pulls, as a direction; locks also fall away from the crown."""

    parting: float
    """Where locks part to the left and to the right, x in metres."""

    parted: float
    """How strongly they part."""

    nape: float
    """Share of the length that the barber leaves at the nape."""

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
    points = _fall(roots, normals, style, _skull(vertices), rng)
    colors = color * np.exp(rng.normal(0, 0.22, (len(points), 1)))
    return _ribbons(points, style.width, colors.astype(np.float32))


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


def _skull(vertices: np.ndarray) -> np.ndarray:
    """Half axes of the ellipsoid around SKULL_CENTER through the sides, the back and the top of the head."""
    above_ears = vertices[vertices[:, 2] > SKULL_BOTTOM] - SKULL_CENTER
    return np.array([np.abs(above_ears[:, 0]).max(), above_ears[:, 1].max(), above_ears[:, 2].max()])


def _fall(
    roots: np.ndarray, normals: np.ndarray, style: Style, skull: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Points of the locks from root to tip, shape (L, JOINTS, 3)."""
    cut = np.interp(roots[:, 2:], (NAPE, EARS_TOP + 0.03), (style.nape, 1))
    step = style.length * cut * rng.uniform(0.75, 1.1, (len(roots), 1)) / (JOINTS - 1)
    layer = style.volume * rng.uniform(0.1, 1, (len(roots), 1))
    phase, pace = rng.uniform(0, 2 * np.pi, (len(roots), 1)), rng.uniform(0.7, 1.3, (len(roots), 1))
    direction = _combed(roots, normals, style) + rng.normal(0, 0.12, roots.shape)
    root_depth = _depth(roots, skull)

    points = [roots]
    for joint in range(1, JOINTS):
        along = joint / (JOINTS - 1)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        wave = style.curl * np.cos(phase + 2.4 * pace * joint) * np.cross(direction, normals)
        surface = root_depth + (1 - root_depth) * along  # the skull is an ellipsoid only roughly
        grown = _on_skull(points[-1] + step * direction + wave, surface + layer * np.sqrt(along), skull)
        direction = (grown - points[-1]) / step - (0, 0, style.weight)
        points.append(grown)
    locks = np.stack(points, axis=1)
    return locks[~_hides_face(locks)]


def _combed(roots: np.ndarray, normals: np.ndarray, style: Style) -> np.ndarray:
    """Where locks point when they leave the skin: along it, with the comb, off the parting and the crown."""
    from_crown = roots - CROWN
    pull = from_crown / np.linalg.norm(from_crown, axis=1, keepdims=True) + style.comb
    pull[:, 0] += style.parted * np.sign(roots[:, 0] - style.parting)
    pull -= (pull * normals).sum(axis=1, keepdims=True) * normals
    return pull / np.linalg.norm(pull, axis=1, keepdims=True)


def _depth(points: np.ndarray, skull: np.ndarray) -> np.ndarray:
    """Distance from the centre of the skull, 1 on its surface, shape (L, 1)."""
    return np.linalg.norm((points - SKULL_CENTER) / skull, axis=1, keepdims=True)


def _on_skull(points: np.ndarray, height: np.ndarray, skull: np.ndarray) -> np.ndarray:
    """Keep locks at their height over the skull, or farther out where they hang."""
    depth = _depth(points, skull)
    hangs = (points[:, 2:] < EARS_TOP) & (depth > height)
    return np.where(hangs, points, SKULL_CENTER + (points - SKULL_CENTER) * height / depth)


def _hides_face(locks: np.ndarray) -> np.ndarray:
    """Which locks fall over the face at a joint or midway between two, shape (L,)."""
    x, y, z = np.concatenate([locks, (locks[:, 1:] + locks[:, :-1]) / 2], axis=1).transpose(2, 0, 1)
    return ((y < FACE_DEPTH) & (np.abs(x) < FACE_HALF_WIDTH) & (z < FOREHEAD)).any(axis=1)


def _ribbons(points: np.ndarray, width: float, colors: np.ndarray) -> Ribbons:
    """Flat bands along the points, broad side outwards, narrowing to the tip."""
    locks, joints, _ = points.shape
    along = np.gradient(points, axis=1)
    outwards = points - SKULL_CENTER
    across = np.cross(along, outwards)
    across /= np.linalg.norm(across, axis=2, keepdims=True) + 1e-9
    normals = np.cross(across, along)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True) + 1e-9
    half = across * (width / 2 * np.linspace(1, 0.35, joints) ** 0.7)[None, :, None]
    vertices = np.stack([points - half, points + half], axis=2).reshape(-1, 3)

    first = (np.arange(locks)[:, None] * joints + np.arange(joints - 1)).ravel()[:, None] * 2
    faces = np.concatenate([first + np.array([0, 2, 1]), first + np.array([1, 2, 3])])
    # Tips catch more light than roots, which stand in each other's shadow.
    shades = colors[:, None] * np.linspace(0.75, 1.15, joints)[None, :, None]
    return Ribbons(
        vertices=vertices.astype(np.float32),
        normals=np.repeat(normals, 2, axis=1).reshape(-1, 3).astype(np.float32),
        faces=faces.astype(np.uint32),
        colors=np.repeat(shades, 2, axis=1).reshape(-1, 3).clip(0, 1).astype(np.float32),
    )
