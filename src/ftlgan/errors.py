"""What can go wrong in a way that the user can mend, and how a program says so: in one line."""

import errno
import functools
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path


class FtlganError(Exception):
    """A problem whose message names the file or key, the value, and the way out, in one line."""


class ParamsError(FtlganError):
    """A key of params.yaml is unknown, missing, of the wrong type or out of range."""


class DataError(FtlganError):
    """A photo, a table or a folder is missing, can't be read or written, or does not hold what it should."""


class WeightsError(FtlganError):
    """The weights of a network are missing, corrupted or belong to another network."""


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Make an entry point end in one line on standard error on a `FtlganError` or an `OSError`.

    On Ctrl-C, and where the reader of its output has gone, it ends without a word.
    """

    @functools.wraps(main)
    def entry_point() -> None:
        try:
            main()
        except FtlganError as error:
            sys.exit(f"ERROR: {error}")
        except KeyboardInterrupt:
            sys.exit(130)  # as a shell counts the signal
        except BrokenPipeError:  # who reads our output has seen enough of it: `ftlgan verify ... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        except OSError as error:  # a full disk, a file that may not be read
            sys.exit(f"ERROR: {error.filename or 'input or output'}: {_reason(error)}")

    return entry_point


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Say in one line what could not be written, and why: the `OSError` of a full disk names no file.

    Raises:
        DataError: in place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full, or your share of it; make room there and run again"
    return " ".join((error.strerror or str(error)).split())
