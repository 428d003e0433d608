"""What tests share: a folder of photos of people who do not exist, drawn once a session."""

from pathlib import Path

import pytest

from ftlgan.sources import synthetic

PEOPLE, PHOTOS = 12, 4


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 people with 4 photos each, as the source `folder` takes it. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("photos")
    for identity, name, image in synthetic.photographs(PEOPLE, PHOTOS, seed=0):
        (folder / identity).mkdir(exist_ok=True)
        (folder / identity / name).write_bytes(image)
    return folder


@pytest.fixture(scope="session")
def photo(photos: Path) -> bytes:
    """One photo: a JPEG of about 250x250 with one face."""
    return next(photos.rglob("*.jpg")).read_bytes()
