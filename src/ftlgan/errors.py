"""Errors that the user can fix, and their report in one line."""

import errno
import functools
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path


class FtlganError(Exception):
    """An error that the user can fix. Its one-line message names the file or key, the value, and the fix."""


class ParamsError(FtlganError):
    """A key of params.yaml is unknown, missing, of the wrong type or out of range."""


class DataError(FtlganError):
    """A photo, a table or a folder is missing, can't be read or written, or has the wrong contents."""


class WeightsError(FtlganError):
    """The weights of a network are missing, corrupted or belong to another network."""


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Make an entry point report a `FtlganError` or an `OSError` in one line on standard error, and exit with code 1.

    On Ctrl-C (exit code 130) or a closed output pipe (141), it ends silently.
    """

    @functools.wraps(main)
    def entry_point() -> None:
        try:
            main()
        except FtlganError as error:
            sys.exit(f"ERROR: {error}")
        except KeyboardInterrupt:
            sys.exit(130)  # the shell's code for SIGINT
        except BrokenPipeError:  # e.g. `ftlgan verify ... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        except OSError as error:  # e.g. a full disk, or no permission to read a file
            sys.exit(f"ERROR: {error.filename or 'input or output'}: {_reason(error)}")

    return entry_point


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Turn an `OSError` in the block into a one-line error that names `path`: on a full disk it names no file.

    Raises:
        DataError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full, or your quota is used up; free some space and run again"
    return " ".join((error.strerror or str(error)).split())
