"""The tracking server of a team, for the tests: PostgreSQL and MLflow, as docs/guides/tracking.md starts them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from mlflow import MlflowClient
from mlflow.entities import Run
from servers import free_port

PASSWORD = "no-one-sees-me"


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, where it is installed."""
    path = shutil.which("initdb")
    return Path(path).resolve().parent if path else max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    """Wait until a process is ready; it fails with its log where it ends before."""
    while not condition():
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)


class Postgres:
    """A PostgreSQL of its own, which asks for a password. It refuses to run as root: then it runs as somebody else."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self.port = free_port()
        self.uri = f"postgresql+psycopg2://ftlgan:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self._bin, self._folder = bin_, folder
        self._process: subprocess.Popen[str] | None = None
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody")
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        command = [bin_ / "initdb", "-D", folder / "data", "-U", "ftlgan", "-A", "scram-sha-256", "--no-sync"]
        subprocess.run(
            [*command, "--pwfile", password, "-E", "UTF8", "--locale", "C"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **self._user,
        )

    def start(self) -> None:
        log = self._folder / "log"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._folder,
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with log.open("a") as file:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._folder / "data", *options],
                cwd=self._folder,
                stdout=file,
                stderr=file,
                text=True,
                **self._user,
            )
        ready = [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, self._process, log)

    def kill(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGQUIT)  # without a farewell to those who are connected
            self._process.wait()


class Server:
    """An MLflow server on a PostgreSQL, with the artifacts in a folder that it alone reaches."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.postgres = postgres
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        log = self._folder / "log"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", self.postgres.uri]
        with log.open("a") as file:
            self._process = subprocess.Popen(
                [*command, "--serve-artifacts", "--artifacts-destination", self._folder / "artifacts"],
                cwd=self._folder,
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=file,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        wait_until(self._answers, self._process, log)
        self.client.search_experiments()  # MLflow 3.17 answers some of the first requests by 500 if they come together

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            while self._answers():
                time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.uri}/health", timeout=10):
                return True
        except OSError:
            return False

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def runs(self) -> list[Run]:
        """Return the runs of all experiments and stages."""
        experiment = self.client.get_experiment_by_name("ftlgan")
        return list(self.client.search_runs([experiment.experiment_id])) if experiment else []

    def parents(self, name: str) -> list[Run]:
        """The runs of an experiment; there should be one."""
        return [run for run in self.runs() if run.info.run_name == name and "mlflow.parentRunId" not in run.data.tags]

    def children(self, parent: Run) -> list[Run]:
        """The runs of the stages of an experiment."""
        return [run for run in self.runs() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


@contextmanager
def serving(bin_: Path) -> Generator[Server]:
    """A server of its own, as long as the block lasts.

    Its folder is not one of pytest's, which nobody else may enter.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("postgres", "mlflow"):
            (folder / part).mkdir()
        postgres = Postgres(folder / "postgres", bin_)
        server = Server(folder / "mlflow", postgres)
        try:
            postgres.start()
            server.start()
            yield server
        finally:
            server.kill()
            postgres.kill()
