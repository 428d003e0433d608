"""Servers under test: on this machine alone, each on a port of its own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def served(command: list[str], port: int, log: Path) -> Generator[subprocess.Popen[bytes]]:
    """A server that is ready, which works in the folder of its log; killed afterwards, with all that it started.

    An MLflow server would start seven processes for jobs that nobody gives it.
    """
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("a") as file:
        server = subprocess.Popen(
            command, cwd=log.parent, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        while not listens(port):
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
