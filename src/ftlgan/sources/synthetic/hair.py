"""Hair as a few thousand locks, which grow out of the scalp, follow a comb, and fall.

A lock is about two pixels wide in the photos; single hairs could not be seen.
"""

from dataclasses import dataclass

import numpy as np

from ftlgan.sources.synthetic.light import Strands

FACE_DEPTH, FACE_HALF_WIDTH = 0.015, 0.056  # what must stay free below the fringe, metres
SKULL_CENTER = np.array([0.0, 0.07, 0.015])
CROWN = np.array([0.0, 0.11, 0.10])
EARS_TOP = 0.0  # from here up locks lie on the head, from here down they hang
NAPE = -0.08
CASTER_DISTANCE = 0.014  # metres between what casts the shadow of a lock
FOREHEAD = 0.03  # roots lower than this belong to the temples
SKULL_BOTTOM = 0.03  # from here up nobody's ears are in the way


@dataclass(frozen=True)
class Style:
    """How hair is worn."""

    length: float
    """Metres."""

    volume: float
    """How far the tips of the uppermost locks stand off the head, as a share of its radius."""

    comb: tuple[float, float, float]
    """Where the comb pulls, as a direction; locks also fall away from the crown."""

    parting: float = 0.0
    """Where locks part to the left and to the right, x in metres."""

    parted: float = 0.0
    """How strongly they part."""

    nape: float = 1.0
    """Share of the length that the barber leaves at the nape."""

    fringe: float = 1.0
    """Share of the length over the forehead."""

    lowest: float = 0.035
    """How far down hair may hang over the face, z in metres; minus infinity: it grows there."""

    weight: float = 0.1
    """How fast a lock turns downwards, 0..1 a joint."""

    curl: float = 0.0
    """Radius of the waves, metres."""

    untidy: float = 0.12
    """How much locks differ in direction."""

    width: float = 0.003
    """The width of a lock, metres."""

    locks: int = 2600
    """How many of them."""

    joints: int = 5
    """Points along each."""


@dataclass(frozen=True)
class Locks:
    """Hair that has grown: L locks of J points."""

    points: np.ndarray
    """From root to tip, shape (L, J, 3), metres."""

    colors: np.ndarray
    """Linear RGB albedo, shape (L, J, 3), 0..1."""

    width: float
    """Metres."""

    def strands(self) -> Strands:
        """The points, as the light sees them."""
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
        """Flat bands along the points, broad side to the camera, narrowing to the tip.

        Args:
            camera: unit vector towards it, shape (3,).

        Returns:
            Vertices, two a point in turn, shape (2 * L * J, 3), metres, and triangles, shape (F, 3).
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
        vertices: the head, shape (V, 3), metres.
        faces: its triangles, shape (F, 3).
        density: how thick the hair grows at each vertex, shape (V,), 0..1; somewhere above 0.
        style: how it is worn.
        color: linear RGB albedo, shape (3,).
        rng: where the locks grow and how they differ.
    """
    roots, normals = _sow(vertices, faces, density, style.locks, rng)
    points = _fall(roots, normals, style, _skull(vertices), rng)
    shades = np.exp(rng.normal(0, 0.25, (len(points), 1, 1))) * np.linspace(0.85, 1.1, style.joints)[:, None]
    colors = (color * shades).clip(0, 0.9)
    return Locks(points, colors, style.width)


def _sow(
    vertices: np.ndarray, faces: np.ndarray, density: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Roots, evenly over the area times the density, and the skin's normals there; both (count, 3)."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
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
    """Points of the locks from root to tip, shape (L, J, 3)."""
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
        surface = root_depth + (1 - root_depth) * along  # the skull is an ellipsoid only roughly
        grown = _on_skull(points[-1] + step * direction + wave, surface + layer * np.sqrt(along), skull)
        direction = (grown - points[-1]) / step - (0, 0, style.weight)
        points.append(grown)
    locks = np.stack(points, axis=1)
    return locks[~_hides_face(locks, style.lowest)]


def _cut(roots: np.ndarray, style: Style) -> np.ndarray:
    """The share of the length that is left by root, shape (L, 1): shorter down the nape and over the forehead."""
    back = np.interp(roots[:, 2], (NAPE, EARS_TOP + 0.03), (style.nape, 1))
    above_forehead = (roots[:, 1] < 0.045) & (roots[:, 2] > FOREHEAD)
    return np.where(above_forehead, style.fringe, back)[:, None]


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


def _hides_face(locks: np.ndarray, lowest: float) -> np.ndarray:
    """Which locks fall over the face at a joint or midway between two, shape (L,)."""
    x, y, z = np.concatenate([locks, (locks[:, 1:] + locks[:, :-1]) / 2], axis=1).transpose(2, 0, 1)
    return ((y < FACE_DEPTH) & (np.abs(x) < FACE_HALF_WIDTH) & (z < lowest)).any(axis=1)


def _units(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
