"""The camera with shapes whose pictures are known."""

import numpy as np
import pytest

from ftlgan.sources.synthetic.camera import Camera, Mesh, expose

SIZE = 20
AHEAD = Camera(np.array([0.0, -2.0, 0.0]), np.zeros(3), np.array([0.0, 0.0, 1.0]), field=0.2)
"""Looks along y; a pixel spans a hundredth at y = 0."""
SQUARE = np.array([[0, 1, 2], [0, 2, 3]])
WHITE = np.ones((4, 3))


def square(left: float, right: float, bottom: float, top: float, y: float = 0.0) -> np.ndarray:
    """Corners of an upright square, counter-clockwise as the camera sees it."""
    return np.array([[left, y, bottom], [right, y, bottom], [right, y, top], [left, y, top]])


def seen(*meshes: Mesh) -> np.ndarray:
    return expose(meshes, AHEAD, SIZE)


def test_a_square_is_where_the_camera_sees_it() -> None:
    picture = seen(Mesh(square(0.02, 0.08, -0.05, 0.09), SQUARE, WHITE * (0.2, 0.4, 0.6)))
    rows, columns = np.nonzero(picture[..., 3] > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 14, 12, 17)
    np.testing.assert_allclose(picture[4:12, 14:16], np.broadcast_to((0.2, 0.4, 0.6, 1), (8, 2, 4)), rtol=1e-12)
    assert not picture[:, :9].any()


def test_what_is_twice_as_far_looks_half_as_large() -> None:
    picture = seen(Mesh(square(-0.08, 0.08, -0.08, 0.08, y=2.0), SQUARE, WHITE))
    assert (picture[..., 3] > 0.5).sum() == 8 * 8


@pytest.mark.parametrize("order", [1, -1])
def test_the_nearer_hides_the_farther(order: int) -> None:
    near = Mesh(square(-0.05, 0.05, -0.05, 0.05, y=-0.1), SQUARE, WHITE)
    far = Mesh(square(-0.2, 0.2, -0.2, 0.2), SQUARE, WHITE / 4)
    picture = seen(*(near, far)[::order])
    assert picture[10, 10, 0] == pytest.approx(1)
    assert picture[1, 1, 0] == pytest.approx(0.25)


def test_the_back_of_a_surface_is_black() -> None:
    picture = seen(Mesh(square(-0.2, 0.2, -0.2, 0.2), SQUARE[:, ::-1], WHITE))
    np.testing.assert_allclose(picture[..., 3], 1)
    assert not picture[..., :3].any()


def test_triangles_that_meet_leave_no_gap() -> None:
    """A crumpled sheet of 2,000 triangles, some of them slivers, covers each pixel, though not evenly."""
    rng = np.random.default_rng(0)
    x, z = np.meshgrid(np.linspace(-0.15, 0.15, 32), np.linspace(-0.15, 0.15, 32))
    vertices = np.stack([x, 0 * x, z], axis=-1).reshape(-1, 3) + rng.uniform(-0.004, 0.004, (1024, 3))
    first = (np.arange(31)[:, None] * 32 + np.arange(31)).ravel()[:, None]
    faces = np.concatenate([first + np.array(corners) for corners in ((0, 1, 32), (1, 33, 32))])
    picture = seen(Mesh(vertices, faces, np.ones((1024, 3))))
    np.testing.assert_allclose(picture, 1, rtol=1e-9)


def test_colours_change_evenly_in_space_and_not_on_the_film() -> None:
    """On a floor that recedes from the camera, the middle appears above the middle of the floor's picture."""
    floor = np.array([[-9.0, -1.0, -0.05], [9.0, -1.0, -0.05], [9.0, 7.0, -0.05], [-9.0, 7.0, -0.05]])
    depth = floor[:, 1:2] + 2
    picture = seen(Mesh(floor, SQUARE, np.repeat(depth, 3, axis=1)))
    below = (np.arange(SIZE) + 0.5 - SIZE / 2) / SIZE * 0.2 / 2  # of the middle of a row, at depth 1
    rows = (below > 0.05 / 8) & (below < 0.05)
    np.testing.assert_allclose(picture[rows, 10, 0][1:], (0.05 / below)[rows][1:], rtol=0.06)
