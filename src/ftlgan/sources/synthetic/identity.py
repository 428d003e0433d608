"""Somebody who does not exist: shape, skin, hair and eyes, all from one seed."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ftlgan.sources.synthetic.anatomy import Bust, HumanModel
from ftlgan.sources.synthetic.hair import Ribbons, Style, grow

# Linear RGB albedos.
LIGHTEST_SKIN = np.array([0.80, 0.55, 0.44])
DARKEST_SKIN = np.array([0.16, 0.075, 0.04])
LIPSTICK = np.array([0.42, 0.08, 0.09])
EYE_WHITE = np.array([0.66, 0.62, 0.60])
PUPIL = 0.005
IRISES = np.array([[0.05, 0.025, 0.012], [0.12, 0.07, 0.03], [0.10, 0.20, 0.32], [0.09, 0.17, 0.09]])
IRIS_CHANCES = (0.5, 0.2, 0.2, 0.1)
HAIRS = np.array([[0.014, 0.011, 0.009], [0.07, 0.036, 0.017], [0.30, 0.19, 0.09], [0.22, 0.075, 0.03]])
HAIR_CHANCES = (0.42, 0.36, 0.16, 0.06)
GREY_HAIR = np.array([0.45, 0.44, 0.43])

SPREAD, MOST = 0.25, 0.7  # of a local change of shape: beyond, faces turn into caricatures
IRIS_RADIUS, PUPIL_RADIUS = 0.0062, 0.0028
# The hairline from the forehead past the temple, around the ear and down to the nape: its height by depth.
HAIRLINE_DEPTHS = (-0.030, -0.005, 0.020, 0.045, 0.060, 0.085, 0.100, 0.130, 0.170)
HAIRLINE_HEIGHTS = (0.058, 0.052, 0.035, -0.010, 0.005, 0.015, -0.040, -0.065, -0.075)


@dataclass(frozen=True)
class Identity:
    """What two photos of a person have in common. N, V: vertices of the model and of the halved mesh (see `Bust`)."""

    shape: np.ndarray
    """The bust at rest, shape (N, 3), float32, metres."""

    colors: np.ndarray
    """Linear RGB albedo of skin, lips, brows and eyes, shape (V, 3), float32, 0..1."""

    roughness: float
    """Of the skin, 0..1."""

    hair: tuple[Ribbons, ...]
    """Hair of the head, and the beard; empty for who has neither."""


@dataclass(frozen=True)
class _Traits:
    """What is decided first, because more than one part of the body shows it."""

    male: bool
    age: float
    fair: bool
    ancestry: np.ndarray
    skin: np.ndarray
    hair: np.ndarray


def draw_identity(model: HumanModel, rng: np.random.Generator) -> Identity:
    """Draw a person.

    Args:
        model: the human model.
        rng: the person; the same state, the same person to the bit.
    """
    traits = _draw_traits(rng)
    shape = model.shape(_phenotypes(traits, rng), _local_changes(model.local_changes, rng))
    vertices = model.bust.halve_edges(shape)
    scalp = _scalp(model.bust, traits, rng)
    jaw = _jaw(model.bust)
    beard = _draw_beard(rng) if traits.male else 0.0

    colors = _skin(model.bust.template, traits, rng)
    colors = _paint_lips(colors, model.bust, traits, rng)
    colors = _mix(colors, traits.hair, _brows(model.bust, rng))
    colors = _mix(colors, traits.hair, 0.7 * beard * jaw)
    colors = _mix(colors, 0.8 * traits.hair, 0.95 * scalp)
    colors = _mix(colors, 0.3 * traits.skin, 0.35 * model.bust.eyelids)
    _paint_eyes(colors, model.bust, traits, rng)

    hair = [(scalp, _hairstyle(traits, rng))] if scalp.max() > 0.5 else []
    if beard > 0.7:
        hair.append((jaw, _beard_style(rng)))
    return Identity(
        shape=shape,
        colors=colors.clip(0.003, 0.95).astype(np.float32),
        roughness=rng.uniform(0.38, 0.6),
        hair=tuple(grow(vertices, model.bust.faces, where, style, traits.hair, rng) for where, style in hair),
    )


def _draw_traits(rng: np.random.Generator) -> _Traits:
    male = rng.random() < 0.5
    age = rng.uniform(0.62, 0.95)
    ancestry = rng.dirichlet((0.6, 0.6, 0.6))
    african, asian, caucasian = ancestry
    melanin = np.clip(0.15 * caucasian + 0.35 * asian + 0.9 * african + rng.normal(0, 0.1), 0, 1)
    skin = LIGHTEST_SKIN ** (1 - melanin) * DARKEST_SKIN**melanin * rng.uniform(0.95, 1.05, 3)
    fair = bool(caucasian > 0.5)
    hair = HAIRS[rng.choice(len(HAIRS), p=HAIR_CHANCES) if fair else 0] * rng.uniform(0.8, 1.5)
    grey = np.clip(rng.normal(4 * (age - 0.82), 0.25), 0, 1)
    return _Traits(male, age, fair, ancestry, skin, hair * (1 - grey) + GREY_HAIR * grey)


def _phenotypes(traits: _Traits, rng: np.random.Generator) -> dict[str, float]:
    african, asian, caucasian = traits.ancestry
    return {
        "gender": np.clip(rng.normal(0.92 if traits.male else 0.08, 0.1), 0, 1),
        "age": traits.age,
        "muscle": rng.uniform(0.3, 0.7),
        "weight": rng.uniform(0.3, 0.8),
        "african": african,
        "asian": asian,
        "caucasian": caucasian,
    }


def _local_changes(labels: Iterable[str], rng: np.random.Generator) -> dict[str, float]:
    """Normally distributed changes of shape, the right side nearly as the left."""
    changes: dict[str, float] = {}
    for label in labels:
        left = "l-" + label.removeprefix("r-")
        if label.startswith("r-") and left in changes:
            changes[label] = changes[left] + np.clip(rng.normal(0, 0.04), -0.1, 0.1)
        else:
            changes[label] = np.clip(rng.normal(0, SPREAD), -MOST, MOST)
    return changes


def _scalp(bust: Bust, traits: _Traits, rng: np.random.Generator) -> np.ndarray:
    """Where the hair of the head grows, shape (V,), 0..1."""
    x, y, z = bust.template.T
    recession = rng.uniform(-0.008, 0.006) + (max(0.0, rng.normal(0.008, 0.02)) if traits.male else 0.0)
    corners = recession * np.exp(-(((np.abs(x) - 0.035) / 0.02) ** 2) - ((y - 0.0) / 0.04) ** 2)
    line = np.interp(y, HAIRLINE_DEPTHS, HAIRLINE_HEIGHTS) + np.where(y < 0.03, recession, 0) + corners
    ragged = 0.002 * _noise(bust.template, 150, 2, rng)
    grows = soft_step((z + ragged - line) / 0.002) * soft_step((z + 0.10) / 0.002) * (1 - bust.ears) * ~bust.eyeballs
    bald = traits.male and rng.random() < 0.10
    return np.zeros_like(grows) if bald else grows


def _jaw(bust: Bust) -> np.ndarray:
    """Where a beard grows, shape (V,), 0..1."""
    x, y, z = bust.template.T
    upper_edge = -0.046 + 1.2 * np.maximum(np.abs(x) - 0.030, 0)
    on_face = soft_step((upper_edge - z) / 0.003) * soft_step((z + 0.118) / 0.004) * soft_step((0.045 - y) / 0.004)
    return on_face * (1 - bust.lips) * (1 - bust.ears)


def _draw_beard(rng: np.random.Generator) -> float:
    """Nothing, a shadow, stubble, or (from 0.7 on) a full beard."""
    return float(rng.choice((0.0, 0.2, 0.5, 0.9), p=(0.5, 0.2, 0.15, 0.15)))


def _hairstyle(traits: _Traits, rng: np.random.Generator) -> Style:
    parting = rng.choice((-0.03, 0.0, 0.03)) + rng.normal(0, 0.005)
    curl = rng.uniform(0.0, 0.002) + (0.004 if traits.ancestry[0] > 0.5 else 0)
    if traits.male or rng.random() < 0.15:
        comb = ((0.0, -1.2, 0.0), (0.0, 2.0, 0.3), (1.5, -0.3, 0.0))[rng.choice(3)]
        length = rng.uniform(0.012, 0.05)
        return Style(
            length=length,
            volume=length * rng.uniform(2, 4),
            comb=comb,
            parting=parting,
            parted=0.4,
            nape=0.25,
            weight=0.1,
            curl=curl / 2,
            width=0.0038,
            locks=3000,
        )
    tied = rng.random() < 0.25
    length = rng.uniform(0.05, 0.07) if tied else rng.uniform(0.14, 0.36)
    return Style(
        length=length,
        volume=0.06 if tied else rng.uniform(0.1, 0.25),
        comb=(0.0, 3.0, 0.3) if tied else (0.0, 1.2, 0.0),
        parting=parting,
        parted=0.0 if tied else 1.5,
        nape=0.4 if tied else 1.0,
        weight=0.1 if tied else 1.5,
        curl=curl / 3 if tied else curl,
        width=0.0040 if tied else 0.0052,
        locks=3000,
    )


def _beard_style(rng: np.random.Generator) -> Style:
    return Style(
        length=rng.uniform(0.006, 0.014),
        volume=0.1,
        comb=(0.0, 0.0, -1.5),
        parting=0.0,
        parted=0.0,
        nape=1.0,
        weight=0.3,
        curl=0.0005,
        width=0.0018,
        locks=2000,
    )


def _skin(template: np.ndarray, traits: _Traits, rng: np.random.Generator) -> np.ndarray:
    """Blotches, red cheeks and nose, and freckles for some, shape (V, 3)."""
    x, _, z = template.T
    blotches = 0.06 * _noise(template, 60, 3, rng)[:, None] * (0.6, 1.0, 1.0)
    cheeks = np.exp(-(((np.abs(x) - 0.038) / 0.018) ** 2) - ((z + 0.032) / 0.018) ** 2)
    nose = np.exp(-((x / 0.012) ** 2) - ((z + 0.035) / 0.012) ** 2)
    red = rng.uniform(0, 0.25) * cheeks + rng.uniform(0, 0.2) * nose
    freckles = rng.uniform(0, 0.25) * soft_step((_noise(template, 900, 1, rng) - 1.2) / 0.15)
    colors = traits.skin * (1 + blotches) * (1 - red[:, None] * (0.0, 0.6, 0.5))
    return colors * (1 - freckles[:, None] * (0.6, 0.9, 1.0))


def _paint_lips(colors: np.ndarray, bust: Bust, traits: _Traits, rng: np.random.Generator) -> np.ndarray:
    natural = traits.skin * (1.0, 0.62, 0.62) * rng.uniform(0.75, 1.0)
    made_up = 0.0 if traits.male else max(0.0, rng.uniform(-0.5, 0.8))
    return _mix(colors, natural * (1 - made_up) + LIPSTICK * rng.uniform(0.7, 1.3) * made_up, bust.lips)


def _brows(bust: Bust, rng: np.random.Generator) -> np.ndarray:
    """How dense the eyebrows are, shape (V,), 0..1: an arch over each eye, thinner outwards."""
    x, y, z = bust.template.T
    outwards = np.abs(x) - 0.0295
    height, arch = rng.uniform(0.016, 0.021), rng.uniform(0.0, 0.005)
    thickness, half_length = rng.uniform(0.0026, 0.0048), rng.uniform(0.018, 0.023)
    middle = height + arch * (1 - ((outwards - 0.005) / 0.02) ** 2)
    taper = np.interp(outwards, (-0.02, 0.005, 0.025), (1.0, 0.9, 0.45))
    line = np.exp(-(((z - middle) / (thickness * taper)) ** 2)) * soft_step((half_length - np.abs(outwards)) / 0.0015)
    hairy = 1 + 0.25 * _noise(bust.template, 1200, 1, rng)
    return np.clip(line * hairy * rng.uniform(0.75, 1.15), 0, 1) * (y < 0.03)


def _paint_eyes(colors: np.ndarray, bust: Bust, traits: _Traits, rng: np.random.Generator) -> None:
    iris = (IRISES[rng.choice(len(IRISES), p=IRIS_CHANCES)] if traits.fair else IRISES[0]) * rng.uniform(0.8, 1.4)
    colors[bust.eyeballs] = EYE_WHITE
    for side in (-1, 1):
        eye = bust.eyeballs & (side * bust.template[:, 0] > 0)
        from_axis = bust.template - bust.template[eye].mean(axis=0)
        radius = np.linalg.norm(from_axis[:, [0, 2]], axis=1)
        front = eye & (from_axis[:, 1] < 0)
        colors[front & (radius < IRIS_RADIUS)] = iris
        colors[front & (radius < PUPIL_RADIUS)] = PUPIL


def _mix(colors: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return colors * (1 - share[:, None]) + other * share[:, None]


def soft_step(distance: np.ndarray) -> np.ndarray:
    """0 far below zero, 1 far above, half at zero (the logistic function): a painted edge `distance` widths away."""
    return 1 / (1 + np.exp(-np.clip(distance, -30, 30)))


def _noise(points: np.ndarray, frequency: float, octaves: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise in space, about standard normal, shape (V,): sums of waves in random directions.

    Args:
        points: where, shape (V, 3), metres.
        frequency: of the first octave, radians a metre.
        octaves: how many; each has twice the frequency and half the height of the one before.
        rng: which noise.
    """
    waves, noise = 24, np.zeros(len(points))
    for octave in range(octaves):
        directions = rng.normal(size=(3, waves)) * frequency * 2**octave
        phases = rng.uniform(0, 2 * np.pi, waves)
        # einsum and not a matrix product: a BLAS may add in another order with another number of threads.
        angles = np.einsum("vc,cw->vw", points, directions) + phases
        noise += np.sin(angles).sum(axis=1) * np.sqrt(2 / waves) / 2**octave
    return noise
