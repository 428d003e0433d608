"""Folders that a command writes: they are there whole or not at all."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ftlgan.errors import DataError, writing


@contextmanager
def new_folder(folder: Path) -> Generator[Path, None, None]:
    """Give a hidden folder to write into, which takes the name of `folder` when all is done.

    What fails leaves nothing; what a killed program leaves behind goes at the next try.

    Raises:
        DataError: if there is something at `folder` other than an empty folder, or it can't be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder}: is there already; remove it, or choose another folder")
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
