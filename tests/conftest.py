"""Shared fixtures: a folder of photos of synthetic people, drawn once for all processes of a test run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from sharing import SLOW_FIXTURES, MadeOnce

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER:  # before torch is imported: as many processes as cores, and a thread each
    os.environ["OMP_NUM_THREADS"] = "1"

from ftlgan.sources import synthetic  # noqa: E402 - see above

PEOPLE, PHOTOS = 12, 3
LONGEST = ("pipeline", "training")
"""Folders of tests that take 10 seconds or more."""

settings.register_profile("ours", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("ours")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what uses a slow fixture, and what renders people; and say what comes first.

    One process makes the experiments, upon which most slow tests wait, while the others run those that are not slow.
    The longest of the slow ones come next, so that at the end nobody waits long for another.
    """
    makers = [item for item in items if "experiments" in getattr(item, "fixturenames", ())][:1]
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())) or "synthetic" in item.path.parts:
            item.add_marker(pytest.mark.slow)

    def place(item: pytest.Item) -> tuple[bool, bool, bool, bool]:
        slow, grouped = (item.get_closest_marker(name) is not None for name in ("slow", "xdist_group"))
        return (item not in makers, slow, not grouped, item.path.parent.name not in LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Make folders that all processes of a test run share."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if WORKER else base

    def once(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed: its error is to be seen again
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return once


def draw_photos(folder: Path) -> None:
    """Draw 12 people with 3 photos each, as the source `folder` takes them."""
    for identity, name, image in synthetic.photographs(PEOPLE, PHOTOS, seed=0):
        (folder / identity).mkdir(exist_ok=True)
        (folder / identity / name).write_bytes(image)


@pytest.fixture(scope="session")
def photos(made_once: MadeOnce) -> Path:
    """A folder of 12 people with 3 photos each. Read only: copy it to change it."""
    return made_once("photos", draw_photos)


@pytest.fixture(scope="session")
def photo(photos: Path) -> bytes:
    """One photo: a JPEG of about 250x250 with one face."""
    return next(photos.rglob("*.jpg")).read_bytes()
