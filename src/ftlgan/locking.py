"""A lock file that lets one process run at a time. The lock is released when its holder ends or is killed."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ftlgan.errors import DataError


@contextmanager
def alone(lock: Path, busy: str) -> Generator[None]:
    """Keep other processes out while the block runs.

    Args:
        lock: the lock file, in a folder that exists; it is removed at the end.
        busy: the error message if another process holds the lock.

    Raises:
        DataError: at once, with that message, if another process holds the lock.
    """
    file = FileLock(lock, timeout=0)
    try:
        file.acquire()
    except Timeout:
        raise DataError(busy) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.release()
