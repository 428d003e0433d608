"""Glasses sit before the eyes, hats on the hair, teeth behind the lips."""

import numpy as np
import pytest

from ftlgan.sources.synthetic import wear
from ftlgan.sources.synthetic.anatomy import HumanModel
from ftlgan.sources.synthetic.identity import Identity, draw_identity

ROUND = wear.Glasses(
    half_width=0.025, half_height=0.018, squareness=2.0, thickness=0.001, color=np.array([0.1, 0.1, 0.1])
)


@pytest.fixture(scope="module")
def person(model: HumanModel) -> Identity:
    return draw_identity(model, np.random.default_rng(3))


@pytest.fixture(scope="module")
def face(model: HumanModel, person: Identity) -> np.ndarray:
    return model.bust.halve_edges(person.shape)


def test_glasses_are_before_the_eyes_and_even(model: HumanModel, face: np.ndarray) -> None:
    worn = wear.glasses(ROUND, model.bust, face, dark=False)
    front = worn.vertices[worn.vertices[:, 1] < 0.01]
    assert front[:, 1].max() < face[model.bust.eyeballs, 1].min() + 0.02
    assert front[:, 0].min() == pytest.approx(-front[:, 0].max(), abs=2e-3)
    assert worn.faces.max() == len(worn.vertices) - 1


def test_only_sunglasses_have_lenses_that_hide_the_eyes(model: HumanModel, face: np.ndarray) -> None:
    clear, dark = (wear.glasses(ROUND, model.bust, face, dark=dark) for dark in (False, True))
    assert len(dark.faces) == len(clear.faces) + 2 * wear.RIM_POINTS


def test_teeth_are_behind_the_lips(model: HumanModel, face: np.ndarray) -> None:
    teeth, lips = wear.teeth(model.bust, face), face[(model.bust.lips > 0.5) & (model.bust.template[:, 1] < -0.02)]
    assert teeth.vertices[:, 1].min() > lips[:, 1].min()
    assert lips[:, 2].min() < teeth.vertices[:, 2].mean() < lips[:, 2].max()


def test_a_hat_covers_the_crown_and_leaves_the_face(model: HumanModel, person: Identity, face: np.ndarray) -> None:
    colors = person.colors
    vertices, painted, covered, _ = wear.hat(model.bust, face, colors, np.random.default_rng(0))
    crown, jaw = model.bust.template[:, 2] > 0.09, model.bust.template[:, 2] < -0.06
    assert covered[crown].min() > 0.95
    np.testing.assert_allclose(vertices[jaw], face[jaw], atol=1e-4)
    np.testing.assert_allclose(painted[jaw], colors[jaw], atol=1e-3)


def test_clothes_leave_the_face_bare(model: HumanModel, person: Identity, face: np.ndarray) -> None:
    for seed in range(5):
        vertices, colors = wear.dress(model.bust, face, person.colors, np.random.default_rng(seed))
        bare = model.bust.template[:, 2] > -0.10
        np.testing.assert_allclose(vertices[bare], face[bare], atol=1e-5)
        np.testing.assert_allclose(colors[bare], person.colors[bare], atol=1e-2)
