"""Hair as a few thousand locks, which grow out of the scalp, follow a comb, and fall.

A lock is about two pixels wide in the photos. Single hairs would not be visible.
"""

from dataclasses import dataclass

import numpy as np

from ftlgan.sources.synthetic.light import Strands

FACE_DEPTH, FACE_HALF_WIDTH = 0.015, 0.056  # the area below the fringe that must stay free, meters
SKULL_CENTER = np.array([0.0, 0.07, 0.015])
CROWN = np.array([0.0, 0.11, 0.10])
EARS_TOP = 0.0  # above it, locks lie on the head; below it, they hang
NAPE = -0.08
CASTER_DISTANCE = 0.014  # meters between the points that cast the shadow of a lock
FOREHEAD = 0.03  # lower roots belong to the temples
SKULL_BOTTOM = 0.03  # above everybody's ears


@dataclass(frozen=True)
class Style:
    """A hairstyle."""

    length: float
    """The length of the locks, meters."""

    volume: float
    """The distance of the outermost tips from the head, as a share of the head's radius."""

    comb: tuple[float, float, float]
    """The direction in which the comb pulls. Locks also fall away from the crown."""

    parting: float = 0.0
    """The x of the parting, meters."""

    parted: float = 0.0
    """The strength with which locks turn away from the parting."""

    nape: float = 1.0
    """The remaining share of the length at the nape."""

    fringe: float = 1.0
    """The remaining share of the length over the forehead."""

    lowest: float = 0.035
    """The lowest z of hair over the face, meters; minus infinity for a beard."""

    weight: float = 0.1
    """The rate at which a lock turns downwards, 0..1 per joint."""

    curl: float = 0.0
    """The radius of the waves, meters."""

    untidy: float = 0.12
    """The standard deviation of the locks' directions."""

    width: float = 0.003
    """The width of a lock, meters."""

    locks: int = 2600
    """The number of locks."""

    joints: int = 5
    """The number of points along each lock."""


@dataclass(frozen=True)
class Locks:
    """L locks of J points."""

    points: np.ndarray
    """From root to tip, shape (L, J, 3), meters."""

    colors: np.ndarray
    """Linear RGB albedo, shape (L, J, 3), 0..1."""

    width: float
    """The width of a lock, meters."""

    def strands(self) -> Strands:
        """Return the points in the form that `light` takes."""
        outwards = self.points - SKULL_CENTER
        steps = np.diff(self.points, axis=1)
        lengths = np.linalg.norm(steps, axis=2)
        parts = max(1, int(np.ceil(lengths.max(initial=0) / CASTER_DISTANCE)))
        along = ((np.arange(parts) + 0.5) / parts)[:, None, None, None]
        return Strands(
            points=self.points.reshape(-1, 3),
            tangents=_units(np.gradient(self.points, axis=1)).reshape(-1, 3),
            normals=_units(outwards).reshape(-1, 3),
            albedo=self.colors.reshape(-1, 3),
            casters=(self.points[:, :-1] + along * steps).reshape(-1, 3),
            areas=np.tile((lengths * (self.width / parts)).ravel(), parts),
        )

    def ribbons(self, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return flat bands along the points that face the camera and narrow towards the tip.

        Args:
            camera: unit vector towards the camera, shape (3,).

        Returns:
            Vertices, two per point, shape (2 * L * J, 3), meters, and triangles, shape (F, 3).
        """
        count, joints, _ = self.points.shape
        across = _units(np.cross(np.gradient(self.points, axis=1), camera))
        narrowing = np.linspace(1, 0.3, joints) ** 0.7
        half = across * (self.width / 2 * narrowing)[None, :, None]
        vertices = np.stack([self.points - half, self.points + half], axis=2).reshape(-1, 3)
        first = (np.arange(count)[:, None] * joints + np.arange(joints - 1)).ravel()[:, None] * 2
        return vertices, np.concatenate([first + np.array([0, 1, 2]), first + np.array([1, 3, 2])])


def grow(
    vertices: np.ndarray,
    faces: np.ndarray,
    density: np.ndarray,
    style: Style,
    color: np.ndarray,
    rng: np.random.Generator,
) -> Locks:
    """Grow locks on a head.

    Args:
        vertices: vertices of the head, shape (V, 3), meters.
        faces: its triangles, shape (F, 3).
        density: density of the hair at each vertex, shape (V,), 0..1; not 0 everywhere.
        style: the hairstyle.
        color: linear RGB albedo, shape (3,).
        rng: random numbers for the positions of the locks and their differences.
    """
    roots, normals = _sow(vertices, faces, density, style.locks, rng)
    points = _fall(roots, normals, style, _skull(vertices), rng)
    shades = np.exp(rng.normal(0, 0.25, (len(points), 1, 1))) * np.linspace(0.85, 1.1, style.joints)[:, None]
    colors = (color * shades).clip(0, 0.9)
    return Locks(points, colors, style.width)


def _sow(
    vertices: np.ndarray, faces: np.ndarray, density: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw roots in proportion to area times density; return them and the skin's normals there, both (count, 3)."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    crosses = np.cross(b - a, c - a)
    areas = np.linalg.norm(crosses, axis=1)
    chances = areas * density[faces].mean(axis=1)
    chosen = rng.choice(len(faces), count, p=chances / chances.sum())
    corners = rng.dirichlet((1, 1, 1), count)[:, :, None]
    roots = corners[:, 0] * a[chosen] + corners[:, 1] * b[chosen] + corners[:, 2] * c[chosen]
    return roots, crosses[chosen] / areas[chosen, None]


def _skull(vertices: np.ndarray) -> np.ndarray:
    """Return the half axes of the ellipsoid around SKULL_CENTER through the sides, the back and the top of the head."""
    above_ears = vertices[vertices[:, 2] > SKULL_BOTTOM] - SKULL_CENTER
    return np.array([np.abs(above_ears[:, 0]).max(), above_ears[:, 1].max(), above_ears[:, 2].max()])


def _fall(
    roots: np.ndarray, normals: np.ndarray, style: Style, skull: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the points of the locks from root to tip, shape (L, J, 3)."""
    step = style.length * _cut(roots, style) * rng.uniform(0.75, 1.1, (len(roots), 1)) / (style.joints - 1)
    layer = style.volume * rng.uniform(0.1, 1, (len(roots), 1))
    phase, pace = rng.uniform(0, 2 * np.pi, (len(roots), 1)), rng.uniform(0.7, 1.3, (len(roots), 1))
    direction = _combed(roots, normals, style) + rng.normal(0, style.untidy, roots.shape)
    root_depth = _depth(roots, skull)

    points = [roots]
    for joint in range(1, style.joints):
        along = joint / (style.joints - 1)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        wave = style.curl * np.cos(phase + 2.4 * pace * joint) * np.cross(direction, normals)
        surface = root_depth + (1 - root_depth) * along  # the skull is only roughly an ellipsoid
        grown = _on_skull(points[-1] + step * direction + wave, surface + layer * np.sqrt(along), skull)
        direction = (grown - points[-1]) / step - (0, 0, style.weight)
        points.append(grown)
    locks = np.stack(points, axis=1)
    return locks[~_hides_face(locks, style.lowest)]


def _cut(roots: np.ndarray, style: Style) -> np.ndarray:
    """Return the remaining share of the length at each root, shape (L, 1): less at the nape and over the forehead."""
    back = np.interp(roots[:, 2], (NAPE, EARS_TOP + 0.03), (style.nape, 1))
    above_forehead = (roots[:, 1] < 0.045) & (roots[:, 2] > FOREHEAD)
    return np.where(above_forehead, style.fringe, back)[:, None]


def _combed(roots: np.ndarray, normals: np.ndarray, style: Style) -> np.ndarray:
    """Return the direction of locks at the root: along the skin and the comb, away from the parting and the crown."""
    from_crown = roots - CROWN
    pull = from_crown / np.linalg.norm(from_crown, axis=1, keepdims=True) + style.comb
    pull[:, 0] += style.parted * np.sign(roots[:, 0] - style.parting)
    pull -= (pull * normals).sum(axis=1, keepdims=True) * normals
    return pull / np.linalg.norm(pull, axis=1, keepdims=True)


def _depth(points: np.ndarray, skull: np.ndarray) -> np.ndarray:
    """Return the distance from the center of the skull, 1 on its surface, shape (L, 1)."""
    return np.linalg.norm((points - SKULL_CENTER) / skull, axis=1, keepdims=True)


def _on_skull(points: np.ndarray, height: np.ndarray, skull: np.ndarray) -> np.ndarray:
    """Move points to their height over the skull, unless they hang below the ears and farther out."""
    depth = _depth(points, skull)
    hangs = (points[:, 2:] < EARS_TOP) & (depth > height)
    return np.where(hangs, points, SKULL_CENTER + (points - SKULL_CENTER) * height / depth)


def _hides_face(locks: np.ndarray, lowest: float) -> np.ndarray:
    """Tell which locks cover the face at a joint or midway between two joints, shape (L,)."""
    x, y, z = np.concatenate([locks, (locks[:, 1:] + locks[:, :-1]) / 2], axis=1).transpose(2, 0, 1)
    return ((y < FACE_DEPTH) & (np.abs(x) < FACE_HALF_WIDTH) & (z < lowest)).any(axis=1)


def _units(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
