"""The user's cache of files that are slow to get and shared by all projects."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ftlgan.errors import writing


def cache_folder(name: str) -> Path:
    """Return `~/.cache/ftlgan/NAME`, or `$XDG_CACHE_HOME/ftlgan/NAME` if that variable is set. It need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ftlgan", name)


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Make a folder of the cache, and keep other processes out of it during the block.

    Raises:
        DataError: if it can't be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # two pipelines may need the same file at once
        yield
