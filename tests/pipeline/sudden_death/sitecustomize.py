"""Python imports this at its start where the folder is on PYTHONPATH, and dies when the file DIE_AT is being written.

All that is in its process group dies with it, by SIGKILL, at the worst moment: what is written aside and then renamed
is whole but not yet in its place, what is written in place is open and empty.
"""

import os
import signal
import sys

DIE_AT = os.environ.get("DIE_AT")


def die(event: str, arguments: tuple[object, ...]) -> None:
    if event not in ("os.rename", "open"):
        return
    path = arguments[1] if event == "os.rename" else arguments[0]
    if not isinstance(path, str | os.PathLike) or os.fspath(path) != DIE_AT:
        return
    if event == "open":
        if not str(arguments[1]).startswith("w"):
            return
        os.close(os.open(path, os.O_CREAT | os.O_TRUNC))
    os.killpg(0, signal.SIGKILL)


if DIE_AT:
    sys.addaudithook(die)
