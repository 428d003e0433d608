"""One process at a time: a lock file that goes when its holder ends, however it ends."""

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
        busy: what to say where another process is in it, without waiting.

    Raises:
        DataError: with that message.
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
