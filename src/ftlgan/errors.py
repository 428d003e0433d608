"""What can go wrong in a way that the user can mend, and how a program says so: in one line."""

import functools
import sys
from collections.abc import Callable


class FtlganError(Exception):
    """A problem whose message names the file or key, the value, and the way out, in one line."""


class ParamsError(FtlganError):
    """A key of params.yaml is unknown, missing, of the wrong type or out of range."""


class DataError(FtlganError):
    """A photo, a table or a folder is missing, unreadable or does not hold what it should."""


class WeightsError(FtlganError):
    """The weights of a network are missing, corrupted or belong to another network."""


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Make an entry point end in one line on standard error and exit code 1 on a `FtlganError` or an `OSError`."""

    @functools.wraps(main)
    def entry_point() -> None:
        try:
            main()
        except FtlganError as error:
            sys.exit(f"ERROR: {error}")
        except OSError as error:  # a full disk, a file that may not be read
            sys.exit(f"ERROR: {error.filename or 'input or output'}: {error.strerror or error}")

    return entry_point
