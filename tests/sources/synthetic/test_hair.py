"""Hair grows where it should and leaves the face free."""

import numpy as np
import pytest

from ftlgan.sources.synthetic import hair
from ftlgan.sources.synthetic.anatomy import HumanModel
from ftlgan.sources.synthetic.hair import Locks, Style, grow
from ftlgan.sources.synthetic.identity import draw_identity

LONG = Style(0.3, 0.2, (0.0, 1.2, 0.0), parted=1.5, weight=1.2, locks=500, joints=6)


def grown(model: HumanModel, style: Style, seed: int = 0) -> Locks:
    person = draw_identity(model, np.random.default_rng(1))
    vertices = model.bust.halve_edges(person.shape)
    assert person.scalp.max() > 0.5
    return grow(
        vertices, model.bust.faces, person.scalp, style, np.array([0.1, 0.05, 0.02]), np.random.default_rng(seed)
    )


@pytest.mark.parametrize("style", [LONG, Style(0.05, 0.1, (0.0, -1.2, 0.0), locks=500)])
def test_hair_leaves_the_face_free(model: HumanModel, style: Style) -> None:
    x, y, z = grown(model, style).points.reshape(-1, 3).T
    assert not ((y < hair.FACE_DEPTH) & (np.abs(x) < hair.FACE_HALF_WIDTH) & (z < style.lowest)).any()


def test_a_beard_grows_on_the_chin(model: HumanModel) -> None:
    people = (draw_identity(model, np.random.default_rng(seed)) for seed in range(60))
    bearded = next(person for person in people if person.jaw.max() > 0.5)
    vertices = model.bust.halve_edges(bearded.shape)
    color, rng = np.array([0.1, 0.05, 0.02]), np.random.default_rng(0)
    locks = grow(vertices, model.bust.faces, bearded.jaw, bearded.beard, color, rng)
    roots = locks.points[:, 0]
    assert len(roots) == bearded.beard.locks
    assert ((roots[:, 1] < hair.FACE_DEPTH) & (np.abs(roots[:, 0]) < hair.FACE_HALF_WIDTH)).mean() > 0.3


def test_long_hair_hangs_below_the_chin_and_short_hair_does_not(model: HumanModel) -> None:
    assert grown(model, LONG).points[..., 2].min() < -0.15
    assert grown(model, Style(0.03, 0.1, (0.0, -1.0, 0.0), locks=500)).points[..., 2].min() > -0.15


def test_the_shadow_of_a_lock_weighs_what_the_lock_covers(model: HumanModel) -> None:
    locks = grown(model, LONG)
    strands = locks.strands()
    lengths = np.linalg.norm(np.diff(locks.points, axis=1), axis=2).sum()
    assert strands.areas.sum() == pytest.approx(lengths * locks.width, rel=1e-4)
    assert len(strands.casters) == len(strands.areas)


def test_ribbons_turn_their_broad_side_to_the_camera(model: HumanModel) -> None:
    camera = np.array([0.6, -0.8, 0.0])
    vertices, faces = grown(model, LONG).ribbons(camera)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    facing = normals @ camera / (np.linalg.norm(normals, axis=1) + 1e-12)
    assert np.median(facing) > 0.5
    assert (facing > 0).mean() > 0.9
