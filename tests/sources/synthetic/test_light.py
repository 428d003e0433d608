"""Light in scenes with a known result."""

import numpy as np
import pytest

from ftlgan.sources.synthetic.light import HAIR_OPACITY, Light, Strands, Surface, shine

UP = np.array([0.0, 0.0, 1.0])
FROM_ABOVE = Light(UP[None].astype(np.float32), np.array([[1.0, 0.8, 0.6]], np.float32))
AREA = np.array([[0.0, 0.0, 1.0]])
NOTHING = np.zeros((0, 3), np.float32)


def plane(height: float, half: float = 0.1, gloss: float = 0.0) -> Surface:
    """A horizontal white square about the origin."""
    x, y = np.meshgrid(np.arange(-half, half, 0.002), np.arange(-half, half, 0.002))
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, height)], axis=1).astype(np.float32)
    count = len(points)
    return Surface(
        points,
        points,
        np.tile(UP.astype(np.float32), (count, 1)),
        np.ones((count, 3), np.float32),
        np.full(count, gloss, np.float32),
        np.full(count, 20.0, np.float32),
        np.zeros((count, 3), np.float32),
    )


def both(one: Surface, other: Surface) -> Surface:
    return Surface(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in vars(one)))


def layer(height: float, layers: float) -> Strands:
    """Hair all over the square, `layers` thick."""
    x, y = np.meshgrid(np.arange(-0.15, 0.15, 0.002), np.arange(-0.15, 0.15, 0.002))
    casters = np.stack([x.ravel(), y.ravel(), np.full(x.size, height)], axis=1).astype(np.float32)
    return Strands(NOTHING, NOTHING, NOTHING, NOTHING, casters, np.full(len(casters), layers * 0.002**2))


NO_HAIR = Strands(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, np.zeros(0))


def test_a_white_square_that_faces_the_lamp_has_the_colour_of_the_lamp() -> None:
    seen, _ = shine(FROM_ABOVE, plane(0.0), NO_HAIR, UP)
    np.testing.assert_allclose(seen, np.tile(FROM_ABOVE.colors, (len(seen), 1)), atol=1e-5)


def test_light_falls_off_with_the_cosine() -> None:
    slanting = Light(np.array([[0.0, -0.6, 0.8]], np.float32), np.ones((1, 3), np.float32))
    seen, _ = shine(slanting, plane(0.0), NO_HAIR, UP)
    np.testing.assert_allclose(seen, 0.8, atol=1e-5)


def test_lamps_add_up() -> None:
    two = Light(np.repeat(FROM_ABOVE.directions, 2, axis=0), np.repeat(FROM_ABOVE.colors, 2, axis=0))
    np.testing.assert_allclose(
        shine(two, plane(0.0), NO_HAIR, UP)[0], 2 * shine(FROM_ABOVE, plane(0.0), NO_HAIR, UP)[0], rtol=1e-6
    )


def test_what_is_above_keeps_the_light_off_what_is_below() -> None:
    scene = both(plane(0.0), plane(0.1, half=0.04))
    seen, _ = shine(FROM_ABOVE, scene, NO_HAIR, UP)
    lower = seen[: len(plane(0.0).points), 0]
    x, y, _ = plane(0.0).points.T
    far_inside, far_outside = np.maximum(abs(x), abs(y)) < 0.03, np.maximum(abs(x), abs(y)) > 0.05
    assert lower[far_inside].max() == 0
    assert lower[far_outside].min() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("layers", [0.5, 1.0, 3.0])
def test_hair_dims_light_by_beers_law(layers: float) -> None:
    seen, _ = shine(FROM_ABOVE, plane(0.0, half=0.08), layer(0.1, layers), UP)
    assert seen[:, 0].mean() == pytest.approx(np.exp(-HAIR_OPACITY * layers), rel=0.02)


def test_hair_below_dims_nothing() -> None:
    seen, _ = shine(FROM_ABOVE, plane(0.0), layer(-0.1, 3.0), UP)
    assert seen[:, 0].min() == pytest.approx(1, abs=1e-5)


def test_hair_that_points_at_the_lamp_has_a_colour() -> None:
    tangents = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    for tangent in tangents:
        one = tangent[None]
        hair = Strands(0 * one, one, one, np.ones_like(one), one, np.zeros(1))
        light = Light(one, np.ones((1, 3), np.float32))
        assert np.isfinite(shine(light, plane(0.0, half=0.002), hair, UP)[1]).all()


def test_a_highlight_is_seen_from_the_mirror_direction_alone() -> None:
    slanting = Light(np.array([[0.0, -0.6, 0.8]], np.float32), np.ones((1, 3), np.float32))
    glossy, matt = plane(0.0, gloss=1.0), plane(0.0)
    gain = [
        (shine(slanting, glossy, NO_HAIR, camera)[0] - shine(slanting, matt, NO_HAIR, camera)[0]).mean()
        for camera in (np.array([0.0, 0.6, 0.8]), np.array([0.0, -0.9, 0.43588989]))
    ]
    assert gain[0] > 10 * gain[1]
