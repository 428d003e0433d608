"""Where this machine keeps what is costly to get and the same for every project."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ftlgan.errors import writing


def cache_folder(name: str) -> Path:
    """`~/.cache/ftlgan/NAME`, or `$XDG_CACHE_HOME/ftlgan/NAME` where that is set; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ftlgan", name)


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Make a folder of the cache, and let one process at a time into it.

    Raises:
        DataError: if it can't be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # two pipelines may want the same file at once
        yield
