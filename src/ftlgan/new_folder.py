"""Folders that a command writes atomically."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ftlgan.errors import DataError, writing


@contextmanager
def new_folder(folder: Path) -> Generator[Path, None, None]:
    """Yield a hidden folder to write into, and rename it to `folder` when the block succeeds.

    If the block fails, nothing is left. The next call removes what a killed program left.

    Raises:
        DataError: if `folder` exists and is not an empty folder, or can't be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder}: already exists; remove it, or choose another folder")
    folder = folder.absolute()  # `.` has no name
    aside = folder.with_name(f".{folder.name}.ftlgan-part")
    with writing(folder):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    try:
        yield aside
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    with writing(folder):
        aside.replace(folder)
