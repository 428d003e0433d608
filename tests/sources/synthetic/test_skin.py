"""The positions of what is painted."""

import numpy as np

from ftlgan.sources.synthetic import skin
from ftlgan.sources.synthetic.anatomy import HumanModel

TONE, DARK = np.array([0.6, 0.4, 0.3]), np.array([0.02, 0.015, 0.01])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_iris_goes_where_the_eyes_look(model: HumanModel) -> None:
    bust = model.bust
    middles = []
    for sideways in (-0.3, 0.3):
        colors = np.ones((len(bust.template), 3))
        gaze = np.array([sideways, -1.0, 0.0])
        skin.paint_eyes(colors, bust, np.array([0.0, 0.0, 1.0]), gaze / np.linalg.norm(gaze))
        blue = bust.eyeballs & (bust.template[:, 0] > 0) & (colors[:, 2] > 2 * colors[:, 0])
        middles.append(bust.template[blue, 0].mean())
        np.testing.assert_array_equal(colors[~bust.eyeballs], 1)
    assert middles[1] - middles[0] > 0.004


def test_no_make_up_changes_nothing(model: HumanModel) -> None:
    colors = skin.paint(model.bust, TONE, DARK, 40, True, rng())
    np.testing.assert_allclose(skin.make_up(colors, model.bust, 0.0, rng()), colors)


def test_make_up_paints_lips_and_lids_and_leaves_the_chin(model: HumanModel) -> None:
    bust = model.bust
    colors = skin.paint(bust, TONE, DARK, 40, False, rng())
    changes = np.mean(
        [np.abs(skin.make_up(colors, bust, 1.0, np.random.default_rng(i)) / colors - 1) for i in range(5)], 0
    )
    x, y, z = bust.template.T
    chin = (np.abs(x) < 0.01) & (np.abs(z + 0.105) < 0.005) & (y < 0)
    assert changes[bust.lips > 0.9].mean() > 0.1
    assert changes[(bust.eyelids > 0.9) & ~bust.eyeballs].mean() > 0.1
    assert changes[chin].max() < 0.02


def test_wrinkles_come_with_the_years(model: HumanModel) -> None:
    young, old = (skin._wrinkles(model.bust.template, years, rng()) for years in (25, 75))
    assert young.max() == 0
    assert old.max() > 0.25
    assert old.max() <= 1


def test_a_beard_leaves_lips_and_ears_free_and_a_goatee_the_cheeks(model: HumanModel) -> None:
    bust = model.bust
    full, goatee = (skin.beard_area(bust, goatee=goatee) for goatee in (False, True))
    assert full[(bust.lips > 0.99) | (bust.ears > 0.99)].max() < 0.02
    assert goatee[np.abs(bust.template[:, 0]) > 0.045].max() < 0.02
    assert full[np.abs(bust.template[:, 0]) > 0.045].max() > 0.8


def test_brows_are_above_the_eyes(model: HumanModel) -> None:
    brows = skin._brows(model.bust, True, rng())
    z = model.bust.template[brows > 0.4, 2]
    assert 0.008 < z.min() < z.max() < 0.032
