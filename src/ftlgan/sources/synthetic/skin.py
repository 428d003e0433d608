"""Paints the face: skin, lips, brows, wrinkles, eyes, make-up.

Positions are given on the average adult (`Bust.template`), in meters. Vertices correspond, so they fit everybody.
"""

import numpy as np

from ftlgan.sources.synthetic.anatomy import Bust
from ftlgan.sources.synthetic.paint import bump, mix, noise, soft_step

LIPSTICKS = np.array([[0.45, 0.05, 0.06], [0.40, 0.10, 0.12], [0.30, 0.06, 0.09], [0.45, 0.17, 0.15]])  # linear RGB
EYE_WHITE = np.array([0.40, 0.36, 0.34])
EYE_CORNER = np.array([0.40, 0.16, 0.14])
MOUTH = np.array([0.10, 0.02, 0.02])
PUPIL = np.array([0.005, 0.005, 0.005])
IRIS_RADIUS, PUPIL_RADIUS = 0.0065, 0.0028
EYE_X = 0.0295  # x of the center of an eye


def paint(
    bust: Bust, skin: np.ndarray, hair: np.ndarray, years: float, male: bool, rng: np.random.Generator
) -> np.ndarray:
    """Paint the face of a person without make-up.

    Args:
        bust: the surface that everybody shares.
        skin: linear RGB albedo of the skin, shape (3,).
        hair: linear RGB albedo of the hair, shape (3,).
        years: age.
        male: True makes the brows thicker.
        rng: random numbers for individual differences.

    Returns:
        Linear RGB albedo, shape (V, 3).
    """
    colors = _blotches(bust.template, skin, rng)
    colors = _moles(colors, bust.template, rng)
    colors *= 1 - _wrinkles(bust.template, years, rng)[:, None] * (0.55, 0.7, 0.75)
    colors = mix(colors, skin * (0.85, 0.48, 0.46) * rng.uniform(0.75, 1.0), bust.lips)
    colors = mix(mix(colors, 0.6 * skin, 0.5 * bust.eyelids), 0.12 * skin, 0.95 * _lash_line(bust))
    brow_color = 0.6 * np.minimum(hair, 0.12) + 0.05 * skin
    return mix(colors, brow_color, _brows(bust, male, rng))


def make_up(colors: np.ndarray, bust: Bust, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Return the colors with lipstick, eyeliner, eyeshadow and rouge, shape (V, 3); `amount` is 0..1."""
    if not amount:
        return colors.copy()
    x, _, z = bust.template.T
    lipstick = LIPSTICKS[rng.integers(len(LIPSTICKS))] * rng.uniform(0.7, 1.3)
    cheeks = bump((np.abs(x) - 0.045) / 0.014) * bump((z + 0.03) / 0.012)
    colors = mix(colors, lipstick, amount * rng.uniform(0.2, 1) * bust.lips)
    colors = mix(colors, colors * (0.5, 0.42, 0.45), amount * rng.uniform(0, 1) * bust.eyelids)
    colors = mix(colors, np.full(3, 0.015), amount * rng.uniform(0.3, 1) * _lash_line(bust))
    return colors * (1 - 0.25 * amount * rng.uniform(0, 1) * cheeks[:, None] * (0, 1, 0.8))


def paint_eyes(colors: np.ndarray, bust: Bust, iris: np.ndarray, gaze: np.ndarray) -> None:
    """Paint the eyeballs, in place.

    Args:
        colors: linear RGB albedo, shape (V, 3).
        bust: the surface that everybody shares.
        iris: color of the iris, linear RGB, shape (3,).
        gaze: direction of both eyes, unit vector.
    """
    for side in (-1, 1):
        eye = np.flatnonzero(bust.eyeballs & (side * bust.template[:, 0] > 0))
        from_center = bust.template[eye] - bust.template[eye].mean(axis=0)
        radius = np.linalg.norm(np.cross(from_center, gaze), axis=1)
        front = np.einsum("vc,c->v", from_center, gaze) > 0
        corner = bump((np.abs(from_center[:, 0]) - 0.0125) / 0.0025)
        ball = mix(EYE_WHITE * (1 - 0.45 * soft_step((from_center[:, 2:] - 0.0035) / 0.001)), EYE_CORNER, 0.6 * corner)
        ring = 1 - 0.55 * bump((radius - IRIS_RADIUS) / 0.0012)
        ball = mix(ball, iris * 1.25, front * soft_step((IRIS_RADIUS - radius) / 0.0004)) * ring[:, None]
        colors[eye] = mix(ball, PUPIL, front * soft_step((PUPIL_RADIUS - radius) / 0.0003))


def beard_area(bust: Bust, goatee: bool) -> np.ndarray:
    """Return the density of a beard, shape (V,), 0..1. A goatee leaves the cheeks free."""
    x, y, z = bust.template.T
    upper_edge = np.interp(np.abs(x), (0.015, 0.030, 0.045, 0.060, 0.070), (-0.046, -0.054, -0.060, -0.045, -0.005))
    on_face = soft_step((upper_edge - z) / 0.003) * soft_step((z + 0.118) / 0.004) * soft_step((0.045 - y) / 0.004)
    around_mouth = soft_step((0.029 - np.abs(x)) / 0.002) if goatee else 1
    return on_face * around_mouth * (1 - bust.lips) * (1 - bust.ears)


def _blotches(template: np.ndarray, skin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint uneven skin with red cheeks and nose, dark rings, and freckles for some, shape (V, 3)."""
    x, _, z = template.T
    uneven = 0.05 * noise(template, 60, 3, rng)[:, None] * (0.6, 1.0, 1.0)
    cheeks = bump((np.abs(x) - 0.038) / 0.018) * bump((z + 0.032) / 0.018)
    nose = bump(x / 0.012) * bump((z + 0.035) / 0.012)
    red = rng.uniform(0, 0.3) * cheeks + rng.uniform(0, 0.25) * nose
    rings = rng.uniform(0, 0.3) * bump((np.abs(x) - 0.027) / 0.013) * bump((z + 0.016) / 0.006)
    freckles = rng.uniform(0, 0.25) * soft_step((noise(template, 900, 1, rng) - 1.2) / 0.15)
    colors = skin * (1 + uneven) * (1 - red[:, None] * (0.0, 0.6, 0.5)) * (1 - rings[:, None] * (0.8, 1.0, 0.9))
    return colors * (1 - freckles[:, None] * (0.6, 0.9, 1.0))


def _moles(colors: np.ndarray, template: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint a few dark spots on the face."""
    face = np.flatnonzero((template[:, 1] < 0.02) & (template[:, 2] > -0.11) & (template[:, 2] < 0.045))
    for center in template[rng.choice(face, rng.poisson(1.5))]:
        distance = np.linalg.norm(template - center, axis=1)
        colors = mix(
            colors, colors * (0.35, 0.25, 0.25), rng.uniform(0.4, 1) * bump(distance / rng.uniform(0.001, 0.0022))
        )
    return colors


def _wrinkles(template: np.ndarray, years: float, rng: np.random.Generator) -> np.ndarray:
    """Return the depth of wrinkles, shape (V,), 0..1: next to the mouth, on the forehead, around and under the eyes."""
    x, y, z = template.T
    side, depth = np.abs(x), np.clip((years - 28) / 45, 0, 1) * rng.uniform(0.5, 1.1, 4)
    wobble = 0.0015 * noise(template, 120, 1, rng)
    # From the wing of the nose to the corner of the mouth.
    fold_at = np.interp(z, (-0.085, -0.065, -0.040), (0.033, 0.029, 0.0165))
    folds = bump((side + wobble - fold_at) / 0.0026) * soft_step((z + 0.082) / 0.004) * soft_step((-0.038 - z) / 0.003)
    lines_at = (z + 2 * wobble - 0.030) / 0.0075
    forehead = (
        bump((lines_at - lines_at.round()) / 0.22) * soft_step((z - 0.026) / 0.002) * soft_step((0.052 - z) / 0.002)
    )
    forehead *= soft_step((0.034 - side) / 0.005) * (y < 0.02)
    angle = np.arctan2(z, side - 0.043)
    feet = (
        bump(np.sin(5 * angle) / 0.5) * bump((np.hypot(side - 0.043, z) - 0.010) / 0.005) * (side > 0.043) * (y < 0.03)
    )
    bags = bump((z + 0.0175 + 12 * (side - 0.028) ** 2) / 0.002) * bump((side - 0.028) / 0.012)
    return (0.6 * depth[0] * folds + 0.35 * depth[1] * forehead + 0.4 * depth[2] * feet + 0.4 * depth[3] * bags) * (
        y < 0.04
    )


def _lash_line(bust: Bust) -> np.ndarray:
    """Return the edge of the lids, shape (V,), 0..1: skin that touches the eyeballs, stronger above than below."""
    x, y, z = bust.template.T
    line = np.zeros(len(x))
    for side in (-1, 1):
        ball = bust.template[bust.eyeballs & (side * x > 0)]
        center, radius = ball.mean(axis=0), np.ptp(ball[:, 0]) / 2
        gap = np.linalg.norm(bust.template - center, axis=1) - radius
        line += soft_step((0.0018 - gap) / 0.0005) * np.where(z > center[2], 1.0, 0.45)
    return np.clip(line, 0, 1) * ~bust.eyeballs * (y < 0)


def _brows(bust: Bust, male: bool, rng: np.random.Generator) -> np.ndarray:
    """Return the density of the eyebrows, shape (V,), 0..1: an arch over each eye that gets thinner outwards."""
    x, y, z = bust.template.T
    outwards = np.abs(x) - EYE_X
    height, arch = rng.uniform(0.016, 0.0205), rng.uniform(0.0, 0.004)
    thickness = rng.uniform(0.0042, 0.0064) if male else rng.uniform(0.0028, 0.0046)
    half_length = rng.uniform(0.018, 0.022)
    middle = height + arch * (1 - ((outwards - 0.005) / 0.02) ** 2)
    taper = np.interp(outwards, (-0.02, 0.005, 0.025), (1.0, 0.9, 0.45))
    line = bump((z - middle) / (thickness * taper)) * soft_step((half_length - np.abs(outwards)) / 0.002)
    hairy = 1 + 0.25 * noise(bust.template, 1200, 1, rng)
    return np.clip(1.3 * line * hairy * rng.uniform(0.65, 1.1), 0, 0.95) * (y < 0.03)
