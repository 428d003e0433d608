"""How a program ends: in one line."""

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ftlgan.errors import DataError, one_line_errors, writing


def raising(error: Exception) -> Callable[[], None]:
    def main() -> None:
        raise error

    return one_line_errors(main)


FULL = "the disk is full, or your quota is used up; free some space and run again"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("photos: 2 people"), "ERROR: photos: 2 people"),
        (PermissionError(errno.EACCES, "Permission denied", "data/raw"), "ERROR: data/raw: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device", "data/raw"), f"ERROR: data/raw: {FULL}"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), f"ERROR: input or output: {FULL}"),
        (OSError("said in\ntwo lines"), "ERROR: input or output: said in two lines"),
    ],
)
def test_what_the_user_can_mend_is_one_line(error: Exception, said: str) -> None:
    with pytest.raises(SystemExit) as end:
        raising(error)()
    assert end.value.code == said


def test_a_bug_is_no_line() -> None:
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())()


def test_a_reader_that_has_seen_enough_hears_no_complaint() -> None:
    program = "from ftlgan.errors import one_line_errors; one_line_errors(lambda: print('line\\n' * 10**6))()"
    command = f'{sys.executable} -c "{program}" | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("line\n141\n", "")


def test_what_could_not_be_written_is_named() -> None:
    with (
        pytest.raises(DataError, match=f"^data/raw/part-00000.parquet: {FULL}$"),
        writing(Path("data/raw/part-00000.parquet")),
    ):
        raise OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device")
