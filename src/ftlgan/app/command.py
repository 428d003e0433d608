"""`ftlgan app`: serve the page on this machine."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingImports=false

import os
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any

from ftlgan.app.session import Service
from ftlgan.errors import DataError, ParamsError
from ftlgan.tool.matching import Matcher
from ftlgan.weights.models import SETS

HOST = "127.0.0.1"
MEMORY = Path("/dev/shm")
"""A folder in memory, which some systems have: uploads lie there until they are read."""


def app(port: int, weights: str, device: str, browser: bool) -> None:
    """Serve the page until it is interrupted.

    Args:
        port: the port on 127.0.0.1; 0: any free one.
        weights: the name of a packaged set, or the folder of a kit.
        device: `cpu` or `cuda`.
        browser: whether to open the page in the user's browser.

    Raises:
        ParamsError: if the port can't be used, or the extra `app` is not installed.
        DataError: if the weights have no statistics of the faces that they restore.
        WeightsError: if weights are missing.
    """
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, _leave)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
        signal.signal(signal.SIGHUP, _terminal_is_closed)
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    listening = _listen(port)
    print("loading the page takes some seconds", file=sys.stderr)
    with listening, _uploads() as uploads:
        try:
            from ftlgan.app.page import page
            from ftlgan.app.server import server
        except ImportError as error:
            raise ParamsError(f"{error.name} is missing; install it: pip install 'ftlgan[app]'") from None

        terms = f"{weights}, {SETS[weights].terms}" if weights in SETS else weights
        serving = server(page(Service(Matcher.load(weights, device)), terms), uploads)
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        print(f"{address}  (weights: {terms}; press Ctrl+C to stop)", flush=True)
        if browser:
            Timer(1, webbrowser.open, [address]).start()
        with suppress(SystemExit):  # uvicorn raises the signal again
            serving.run(sockets=[listening])
    os._exit(0)  # at once, even if a call still runs in a thread


def _leave(_number: int, _frame: Any) -> None:
    """Exit normally, so that the folder of uploads is removed."""
    raise SystemExit(0)


def _terminal_is_closed(_number: int, _frame: Any) -> None:
    """End as after `kill`."""
    signal.raise_signal(signal.SIGTERM)


def _listen(port: int) -> socket.socket:
    """Take the port before anything is loaded, so that a wrong port is reported at once."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        reason = error.strerror if isinstance(error, OSError) else "is not between 0 and 65535"
        raise ParamsError(f"--port {port}: {reason}; use another one, or 0 for any free one") from None
    return listening


@contextmanager
def _uploads() -> Generator[Path]:
    """Give Gradio a folder for uploads, in memory if possible, and remove it at the end."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    try:
        with tempfile.TemporaryDirectory(prefix="ftlgan-app-", dir=place) as folder:
            os.environ["GRADIO_TEMP_DIR"] = folder
            yield Path(folder)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None
