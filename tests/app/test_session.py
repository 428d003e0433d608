"""What a visitor uploads is read, restored and compared, and its file is gone."""

from pathlib import Path

import numpy as np
import pytest
from samples import astronaut, group

from ftlgan.app import html
from ftlgan.app.session import Compared, Photo, Service, Upload
from ftlgan.faces import encode_png
from ftlgan.photos import NoFaceError
from ftlgan.tool.matching import Matcher

HOSTILE = '<img src=x onerror="alert(1)">.png'


@pytest.fixture(scope="module")
def service() -> Service:
    return Service(Matcher.load())


@pytest.fixture(scope="module")
def photo(service: Service) -> Photo:
    return service.open_photo(upload(astronaut(150), HOSTILE))


def upload(image: np.ndarray, name: str) -> Upload:
    return Upload(name, encode_png(image))


def test_an_upload_is_deleted_as_soon_as_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"content")
    taken = Upload.take(tmp_path / "a.png")
    assert (taken.name, taken.content) == ("a.png", b"content")
    assert list(tmp_path.iterdir()) == []


def test_the_small_face_is_restored(photo: Photo) -> None:
    (face,) = photo.faces
    assert face.model == 56
    assert face.image.shape == (112, 112, 3)


def test_what_is_no_photo_is_said(service: Service) -> None:
    with pytest.raises(NoFaceError, match="not an image"):
        service.open_photo(Upload("notes.txt", b"hello"))


@pytest.fixture(scope="module")
def compared(service: Service, photo: Photo) -> list[Compared]:
    references = upload(astronaut(), HOSTILE), upload(group(2), "group.png"), Upload("notes.txt", b"hello")
    return [service.compare(photo.faces[0], reference) for reference in references]


def test_each_reference_gives_a_match_or_a_reason(compared: list[Compared]) -> None:
    same, several, none = compared
    assert same.match
    assert same.match.log10_lr > 1
    assert (several.match, several.problem) == (None, "shows 6 faces; cut out one")
    assert (none.match, none.problem) == (None, "unreadable: not an image")


def test_a_name_is_shown_and_never_run(service: Service, photo: Photo, compared: list[Compared]) -> None:
    shown = html.matches("face 1, 34 px", compared, service.matcher.knowledge)
    for content in (html.photo_with_boxes(photo), html.problem(HOSTILE), html.names([Upload(HOSTILE, b"")]), shown):
        assert "onerror" in content
        assert "<img src=x" not in content
    assert "support for the same person" in shown
    assert "shows 6 faces; cut out one" in shown
    assert shown.count("<svg") == 1


def test_pictures_are_part_of_the_page(photo: Photo) -> None:
    shown = html.faces(photo)
    assert shown.count('<img src="data:image/png;base64,') == 3
    assert "restored by the network for 56 px" in shown
