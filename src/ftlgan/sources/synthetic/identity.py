"""Draws a synthetic person: shape, skin, hair, eyes and habits, all from one seed."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ftlgan.sources.synthetic import skin
from ftlgan.sources.synthetic.anatomy import Bust, HumanModel
from ftlgan.sources.synthetic.hair import Style
from ftlgan.sources.synthetic.paint import mix, noise, soft_step
from ftlgan.sources.synthetic.wear import Glasses

# Linear RGB albedos.
LIGHTEST_SKIN = np.array([0.78, 0.50, 0.38])
DARKEST_SKIN = np.array([0.15, 0.072, 0.04])
IRISES = np.array([[0.05, 0.025, 0.012], [0.12, 0.07, 0.03], [0.07, 0.13, 0.21], [0.07, 0.11, 0.06]])
IRIS_CHANCES = (0.5, 0.2, 0.2, 0.1)
HAIRS = np.array([[0.014, 0.011, 0.009], [0.06, 0.032, 0.016], [0.32, 0.20, 0.10], [0.20, 0.075, 0.03]])
HAIR_CHANCES = (0.3, 0.42, 0.22, 0.06)
GREY_HAIR = np.array([0.42, 0.41, 0.40])

YOUNGEST, OLDEST = 18, 80  # years
MOST = 0.85  # limit of a local change of shape; beyond it, faces become caricatures
# Standard deviations by part of the face. Unusual eyes look unnatural sooner than unusual noses.
SPREADS = {"eye": 0.26, "mouth": 0.34, "nose": 0.45, "head": 0.28}
USUAL_SPREAD = 0.35
# The height of the hairline by depth: from the forehead past the temple, around the ear and down to the nape.
HAIRLINE_DEPTHS = (-0.030, -0.005, 0.020, 0.045, 0.060, 0.085, 0.100, 0.130, 0.170)
HAIRLINE_HEIGHTS = (0.058, 0.052, 0.035, -0.010, 0.005, 0.015, -0.040, -0.065, -0.075)


@dataclass(frozen=True)
class Traits:
    """Traits that affect several parts of the body, and so are drawn first."""

    male: bool
    years: float
    """The age."""

    ancestry: np.ndarray
    """The shares of the African, Asian and European shapes, shape (3,), sum 1."""

    melanin: float
    """0..1, from the lightest skin to the darkest."""

    skin: np.ndarray
    """Linear RGB albedo, shape (3,), 0..1."""

    hair: np.ndarray
    """Linear RGB albedo, shape (3,), 0..1."""


@dataclass(frozen=True)
class Identity:
    """Everything that photos of one person share. For N and V, see `Bust`."""

    traits: Traits

    shape: np.ndarray
    """The bust at rest, shape (N, 3), meters."""

    ageing: np.ndarray
    """The change of shape per year of age, shape (N, 3), meters."""

    fattening: np.ndarray
    """The change of shape per unit of anny's weight (0..1), shape (N, 3), meters."""

    colors: np.ndarray
    """Linear RGB albedo of skin, natural lips, brows and scalp, shape (V, 3), 0..1."""

    iris: np.ndarray
    """Linear RGB albedo, shape (3,)."""

    gloss: float
    """The strength of the skin's highlights. 1 is neither dry nor oily."""

    scalp: np.ndarray
    """The density of hair on the head, shape (V,), 0..1; all 0 is bald."""

    jaw: np.ndarray
    """The density of the beard, shape (V,), 0..1; all 0 is no beard, or one that is only painted."""

    hairstyle: Style
    """The style of the hair on the head."""

    beard: Style

    make_up: float
    """The most make-up that the person uses, 0..1."""

    glasses: Glasses | None


def draw_traits(rng: np.random.Generator) -> Traits:
    """Draw gender, age, ancestry, and the colors of skin and hair."""
    male = bool(rng.random() < 0.5)
    years = float(YOUNGEST + (OLDEST - YOUNGEST) * rng.beta(1.5, 2.0))
    ancestry = rng.dirichlet((0.5, 0.5, 0.7))
    african, asian, european = ancestry
    melanin = float(np.clip(0.12 * european + 0.32 * asian + 0.85 * african + rng.normal(0, 0.1), 0, 1))
    skin_color = LIGHTEST_SKIN ** (1 - melanin) * DARKEST_SKIN**melanin * rng.uniform(0.94, 1.06, 3)
    hair = HAIRS[rng.choice(len(HAIRS), p=HAIR_CHANCES) if european > 0.5 else 0] * rng.uniform(0.7, 1.5)
    grey = float(np.clip(rng.normal((years - 52) / 22, 0.3), 0, 1))
    return Traits(male, years, ancestry, melanin, skin_color, hair * (1 - grey) + GREY_HAIR * grey)


def draw_identity(model: HumanModel, rng: np.random.Generator) -> Identity:
    """Draw a person.

    Args:
        model: the human model.
        rng: random numbers. The same state gives a bit-identical person.
    """
    traits = draw_traits(rng)
    shape, ageing, fattening = _shape(model, traits, rng)
    scalp = _scalp(model.bust, traits, rng)
    beard = _draw_beard(traits, rng)
    jaw = skin.beard_area(model.bust, goatee=bool(rng.random() < 0.35)) if beard else np.zeros_like(scalp)
    colors = skin.paint(model.bust, traits.skin, traits.hair, traits.years, traits.male, rng)
    colors = mix(colors, traits.hair, min(0.6, 0.8 * beard) * jaw)
    colors = mix(colors, 0.8 * traits.hair, 0.95 * scalp)
    iris = IRISES[rng.choice(len(IRISES), p=IRIS_CHANCES)] if traits.ancestry[2] > 0.5 else IRISES[0]
    return Identity(
        traits=traits,
        shape=shape,
        ageing=ageing,
        fattening=fattening,
        colors=colors.clip(0.003, 0.95),
        iris=iris * rng.uniform(0.8, 1.4),
        gloss=rng.uniform(0.5, 1.4),
        scalp=scalp,
        jaw=jaw if beard > 0.5 else np.zeros_like(jaw),
        hairstyle=_mans_hair(traits, rng) if traits.male or rng.random() < 0.1 else _womans_hair(traits, rng),
        beard=Style(
            length=0.003 + 0.016 * beard * rng.random(),
            volume=0.1,
            comb=(0, 0, -1.5),
            lowest=-np.inf,
            width=0.0018,
            joints=3,
        ),
        make_up=0.0 if traits.male else max(0.0, rng.uniform(-0.3, 1)),
        glasses=_draw_glasses(rng) if rng.random() < 0.1 + 0.4 * (traits.years > 45) else None,
    )


def _shape(model: HumanModel, traits: Traits, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bust of the person, its change per year of age, and its change per unit of weight."""
    african, asian, european = traits.ancestry
    phenotypes = {
        "gender": np.clip(rng.normal(0.92 if traits.male else 0.08, 0.1), 0, 1),
        "muscle": rng.uniform(0.3, 0.7),
        "weight": rng.uniform(0.35, 0.75),
        "age": _anny_age(traits.years),
        "african": african,
        "asian": asian,
        "caucasian": european,
    }
    changes = _local_changes(model.local_changes, rng)
    shape = model.shape(phenotypes, changes)
    older = model.shape(phenotypes | {"age": _anny_age(traits.years + 10)}, changes)
    fatter = model.shape(phenotypes | {"weight": phenotypes["weight"] + 0.2}, changes)
    return shape, (older - shape) / 10, (fatter - shape) / 0.2


def _anny_age(years: float) -> float:
    """Return anny's age of a person. Its young adult, at 2/3, is 25 years old here; its old one, at 1, is 90."""
    return (2 + (years - 25) / 65) / 3


def _local_changes(labels: Iterable[str], rng: np.random.Generator) -> dict[str, float]:
    """Draw normally distributed changes of shape, with the right side nearly like the left."""
    changes: dict[str, float] = {}
    for label in labels:
        left = "l-" + label.removeprefix("r-")
        part = label.removeprefix("l-").removeprefix("r-").split("-")[0]
        draw, asymmetry = rng.normal(0, SPREADS.get(part, USUAL_SPREAD)), rng.normal(0, 0.04)
        change = changes[left] + asymmetry if label != left and left in changes else draw
        changes[label] = float(np.clip(change, -MOST, MOST))
    return changes


def _scalp(bust: Bust, traits: Traits, rng: np.random.Generator) -> np.ndarray:
    """Return the density of hair on the head, shape (V,), 0..1. Men may lose it at the temples and crown, or shave."""
    x, y, z = bust.template.T
    loss = max(0.0, rng.normal((traits.years - 35) / 40, 0.5)) if traits.male else 0.0
    recession = rng.uniform(-0.008, 0.004) + min(0.035, 0.025 * loss)
    corners = recession * np.exp(-(((np.abs(x) - 0.035) / 0.02) ** 2) - (y / 0.04) ** 2)
    line = np.interp(y, HAIRLINE_DEPTHS, HAIRLINE_HEIGHTS) + np.where(y < 0.03, recession, 0) + corners
    ragged = 0.002 * noise(bust.template, 150, 2, rng)
    grows = soft_step((z + ragged - line) / 0.002) * soft_step((z + 0.10) / 0.002) * (1 - bust.ears) * ~bust.eyeballs
    bald_above = 0.045 if loss > 1.2 else np.inf  # leaves a wreath of hair
    grows = grows * soft_step((bald_above - z) / 0.006)
    shaven = traits.male and rng.random() < 0.07
    return np.zeros_like(grows) if shaven else grows


def _draw_beard(traits: Traits, rng: np.random.Generator) -> float:
    """Draw the density of the beard: none, a shadow, stubble, or (above 0.5) a beard."""
    kind = rng.choice(4, p=(0.52, 0.18, 0.12, 0.18))
    return float((0.0, 0.2, 0.45, rng.uniform(0.6, 1.0))[kind]) if traits.male else 0.0


def _curl(traits: Traits, rng: np.random.Generator) -> float:
    """Draw the radius of the waves, meters. It is largest for African hair."""
    return rng.uniform(0, 0.002) + 0.006 * traits.ancestry[0] ** 2


def _mans_hair(traits: Traits, rng: np.random.Generator) -> Style:
    """Draw a style: clipped, combed to the side, back or forward, tousled, or long."""
    kind = rng.choice(6, p=(0.18, 0.28, 0.16, 0.18, 0.14, 0.06))
    side, curl = float(rng.choice((-1, 1))), _curl(traits, rng)
    length = rng.uniform(0.025, 0.06)
    styles = (
        Style(rng.uniform(0.003, 0.009), 0.05, (0, -0.5, 0.2), width=0.002, joints=3, locks=4000),
        Style(length, 2 * length, (1.6 * side, -0.6, 0.1), -0.03 * side, 0.6, nape=0.25, curl=curl),
        Style(length, 1.6 * length, (0, 2.0, 0.3), nape=0.3, curl=curl),
        Style(length, 2 * length, (0.5 * side, -1.2, 0), nape=0.25, fringe=0.8, curl=curl),
        Style(length, 3 * length, (0, 0, 0.5), nape=0.3, curl=curl + 0.003, untidy=0.5),
        _loose(rng.uniform(0.12, 0.25), curl, rng),
    )
    return styles[kind]


def _womans_hair(traits: Traits, rng: np.random.Generator) -> Style:
    """Draw a style: long, chin-length, short or curly."""
    kind = rng.choice(4, p=(0.5, 0.22, 0.18, 0.1))
    curl = _curl(traits, rng)
    length = rng.uniform(0.03, 0.08)
    if kind == 0:
        return _loose(rng.uniform(0.22, 0.38), curl, rng)
    if kind == 1:
        return _loose(rng.uniform(0.12, 0.2), curl, rng)
    if kind == 2:
        side = float(rng.choice((-1, 1)))
        return Style(length, 2.2 * length, (0.9 * side, -0.6, 0), -0.03 * side, 0.5, nape=0.5, curl=curl, joints=6)
    return Style(1.5 * length, 3.5 * length, (0, 0, 0.3), curl=0.006 + curl, untidy=0.6, joints=6)


def _loose(length: float, curl: float, rng: np.random.Generator) -> Style:
    """Draw a style of loose hair, parted in the middle or on a side, sometimes with a fringe."""
    fringe = rng.random() < 0.25
    return Style(
        length,
        volume=rng.uniform(0.1, 0.3),
        comb=(0.0, 0.4 if fringe else 1.2, 0.0),
        parting=float(rng.choice((-0.03, 0.0, 0.03)) + rng.normal(0, 0.005)),
        parted=0.3 if fringe else 1.5,
        fringe=0.055 / length if fringe else 1.0,
        lowest=rng.uniform(0.012, 0.03) if fringe else 0.035,
        weight=1.2,
        curl=curl + max(0.0, rng.normal(0.0, 0.003)),
        width=0.0034,
        locks=2800,
        joints=6,
    )


def _draw_glasses(rng: np.random.Generator) -> Glasses:
    metal = rng.random() < 0.45
    colors = (
        ((0.35, 0.34, 0.33), (0.4, 0.3, 0.15))
        if metal
        else ((0.012, 0.012, 0.013), (0.09, 0.04, 0.02), (0.15, 0.02, 0.02))
    )
    return Glasses(
        half_width=rng.uniform(0.0225, 0.0275),
        half_height=rng.uniform(0.0135, 0.0215),
        squareness=rng.uniform(2.0, 5.0),
        thickness=rng.uniform(0.0008, 0.0012) if metal else rng.uniform(0.0015, 0.0028),
        color=np.array(colors[rng.integers(len(colors))]),
    )
