"""Every face of a photo, on real photos."""

import numpy as np
import pytest
from samples import astronaut, group

from ftlgan.detection import unturned
from ftlgan.photos import NoFaceError
from ftlgan.template import face_size
from ftlgan.tool.finding import LONGEST_ENLARGED, TILE, FaceFinder


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(0.75)


@pytest.mark.parametrize("reduced", [1, 2, 4, 8])
def test_all_six_people_are_found_however_small_the_photo(finder: FaceFinder, reduced: int) -> None:
    faces = finder.all_faces(group(reduced))
    assert len(faces) == 6
    lefts = [float(face.box[0]) for face in faces]
    assert lefts == sorted(lefts)


def test_landmarks_of_small_faces_are_where_those_of_large_ones_are(finder: FaceFinder) -> None:
    large = finder.all_faces(group(1))
    for face, true in zip(finder.all_faces(group(8)), large, strict=True):
        error = np.linalg.norm((face.landmarks + 0.5) * 8 - 0.5 - true.landmarks, axis=1).mean()
        assert error < 0.08 * face_size(true.landmarks)


def test_faces_are_found_in_every_tile_and_once(finder: FaceFinder) -> None:
    one = group(4)
    many = np.tile(one, (4, 5, 1))[: TILE + 200, : LONGEST_ENLARGED // 2 + 300]  # larger than a tile, never enlarged
    height, width = many.shape[0] // one.shape[0], many.shape[1] // one.shape[1]
    whole = many[: height * one.shape[0], : width * one.shape[1]]
    assert len(finder.all_faces(whole)) == 6 * height * width


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_on_its_side_is_found_as_it_is(finder: FaceFinder, turns: int) -> None:
    photo = astronaut(200)
    [upright] = finder.all_faces(photo)
    [face] = finder.all_faces(np.ascontiguousarray(np.rot90(photo, turns)))
    found = unturned(face.landmarks, 200, 200, face.turns)  # in the turned photo
    back = unturned(found, 200, 200, turns)
    assert np.linalg.norm(back - upright.landmarks, axis=1).mean() < 0.08 * face_size(upright.landmarks)


def test_no_face_is_said(finder: FaceFinder) -> None:
    with pytest.raises(NoFaceError, match="no face found"):
        finder.all_faces(np.full((100, 80, 3), 127, np.uint8))


def test_the_main_face_is_the_most_central_one(finder: FaceFinder) -> None:
    photo = group(4)
    middle = np.array([photo.shape[1], photo.shape[0]]) / 2
    offsets = [np.linalg.norm(face.box[:2] + face.box[2:] / 2 - middle) for face in finder.all_faces(photo)]
    main = finder.main_face(photo)
    assert np.linalg.norm(main.box[:2] + main.box[2:] / 2 - middle) < min(offsets) + 3
