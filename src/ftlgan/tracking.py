"""What MLflow remembers: every execution of the stages `train`, `validate`, `evaluate` and `quality`.

    with tracking.run("train", params) as run:
        run.log(step, {"loss/triplet": 0.31, "val/d_prime": 2.4})
        run.log_artifact(history)

is one run of MLflow's experiment `ftlgan`, nested (tag `mlflow.parentRunId`) in the run of the experiment of DVC, or
of the plain `dvc repro`, that it belongs to: `ftlgan.provenance.experiment`. That parent has the params, the figures of
the metrics files in dvc.yaml, the status of the stage that was executed last, and for each stage a tag
`stage.<name>`: executed (or failed, killed) for this experiment, or restored, with the MD5 of its outputs. Where DVC
executes none of the four stages nothing is logged, and no parent made.

Nothing that befalls MLflow may hurt the stage, so a run is first written to disk, in `.mlflow-pending/` of the
repository, and delivered from there: at its start, now and then while it lasts, and at its end. What cannot be
delivered waits there for the next run, or for `python -m ftlgan.tracking`.

Nothing is lost: the log goes away only when MLflow has all of it. Nothing is doubled: a kill between a delivery and the
note of it makes the next delivery send the same things again, and MLflow then finds the run by its tag `ftlgan.run`,
drops the points of a metric that it has (same name, value, time and step) and replaces params and artifacts by
themselves. MLflow cannot be asked to make a run unless there is one, so two processes may make the same parent: each
looks again after it has made one, and when a stage ends, and whoever sees two leaves the older.

The store is MLFLOW_TRACKING_URI, by default `mlflow.db` and `mlartifacts/` in the root of the DVC repository: under
`dvc exp run --temp` the working directory is a copy that is thrown away.
"""

import json
import logging
import math
import os
import re
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from ftlgan.errors import FtlganError, one_line_errors
from ftlgan.provenance import EXECUTED, experiment, headline, leaves, locked_stages, name_of, provenance

T = TypeVar("T")

EXPERIMENT = "ftlgan"
RUN_TAG = "ftlgan.run"  # of the run of a stage: the name of the folder that it was delivered from
EXPERIMENT_TAG = "ftlgan.experiment"  # of a parent: the id of its experiment
PARENT_TAG = "mlflow.parentRunId"  # of the run of a stage: MLflow shows it below that one
OUTCOMES = {"FINISHED": EXECUTED, "FAILED": "failed", "KILLED": "killed"}
SECONDS_BETWEEN_DELIVERIES = 10.0
PENDING = ".mlflow-pending"
SQLITE = "sqlite:///"
METRICS_PER_BATCH = 1000  # what MLflow takes in one request

# Unless the user says otherwise: faces are personal data, so nothing leaves the machine but what goes to the store; a
# server that is away is noticed in seconds, not minutes; and no request is repeated below us, where the repetition of
# one that was only slow to answer would create a run twice.
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@contextmanager
def run(stage: str, params: Mapping[str, Any]) -> Generator["Run"]:
    """Track one execution of a stage; an exception ends the run as FAILED, Ctrl-C as KILLED.

    Args:
        stage: name of the run, and of its stage in dvc.yaml where DVC does not tell.
        params: what the stage was run with; nested mappings become dotted names (`train.steps`).
    """
    log = Run(stage, params)
    try:
        yield log
    except BaseException as error:
        log.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    log.end("FINISHED")


class Run:
    """The log of the stage that is being executed; made by `run`."""

    def __init__(self, stage: str, params: Mapping[str, Any]) -> None:
        self._root = repository_root()
        self._stage = name_of(stage)
        self._spool = Spool(self._root / PENDING / f"{now()}-{uuid.uuid4().hex}")
        locked, flat = locked_stages(params), flatten(params)
        parent = experiment(stage, flat, locked)
        self._spool.create(
            {
                "stage": self._stage,
                "time": now(),
                "tags": mended(provenance(stage, locked)),
                "params": flat,
                "experiment": parent | {"tags": mended(parent["tags"])},
            }
        )
        self._store: Store | None = None
        self._step = 0
        self._next_delivery = 0.0
        self._deliver()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of one step under the time of this call; cheap enough for every step.

        Args:
            step: of training, ascending.
            values: by name. NaN stays NaN; MLflow's databases keep an infinite value as the largest float.
        """
        self._step = step
        point = {"step": step, "time": now()}
        self._spool.append(*({"metric": mend(name), "value": float(value), **point} for name, value in values.items()))
        if time.monotonic() >= self._next_delivery:
            self._deliver()

    def log_final(self, values: Mapping[str, float]) -> None:
        """Log values that stand for the whole run, at the last step logged."""
        self.log(self._step, values)

    def log_figure(self, path: Path) -> None:
        """Log an image file, as it is now, into the run's folder `figures`."""
        self._spool.keep(path, "figures")

    def log_artifact(self, path: Path) -> None:
        """Log a file or a folder as it is now."""
        self._spool.keep(path)

    def end(self, status: str) -> None:
        """End the run as `FINISHED`, `FAILED` or `KILLED`, and deliver what is left of its log."""
        figures = mended(headline(self._stage)) if status == "FINISHED" else {}
        self._spool.append({"status": status, "time": now(), "headline": figures})
        if self._deliver():
            self._spool.remove()
        self._spool.lock.release()

    def _deliver(self) -> bool:
        """Deliver what is new, older logs first. Once this has failed, only the end of the run tries again."""
        try:
            with silence():
                if self._store is None:
                    self._store = Store(self._root)
                    deliver_older(self._store, self._root)
                started = time.monotonic()
                self._store.deliver(self._spool)
                seconds = time.monotonic() - started
        except Exception as error:  # of any kind: the stage must go on
            if self._next_delivery < math.inf:
                warn(
                    f"MLflow at {shown_uri(self._root)} does not take the log of this run ({brief(error)}). The stage "
                    f"goes on; the log is kept in {self._spool.folder} and will be delivered when the stage ends, at "
                    "the next run, or by `python -m ftlgan.tracking`"
                )
            self._store, self._next_delivery = None, math.inf
            return False
        # A slow server is asked less often, so that deliveries take at most a twentieth of the stage's time.
        self._next_delivery = time.monotonic() + max(SECONDS_BETWEEN_DELIVERIES, 20 * seconds)
        return True


class Spool:
    """The log of one run on disk: `events.jsonl`, `artifacts/`, and `delivered.json`, how far MLflow has it.

    The lock beside the folder is held by the process that writes the log, or delivers it for one that died.
    """

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.lock = FileLock(folder.with_suffix(".lock"))
        self._events = folder / "events.jsonl"
        self._delivered = folder / "delivered.json"

    @property
    def last_write(self) -> int:
        """Milliseconds since 1970."""
        return int(self._events.stat().st_mtime * 1000)

    def create(self, start: dict[str, Any]) -> None:
        self.lock.acquire()  # before there is a folder that another process might take for a dead one's
        self.folder.mkdir()
        self.append(start)

    def append(self, *events: dict[str, Any]) -> None:
        with self._events.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(event) + "\n" for event in events))

    def keep(self, path: Path, folder: str = "") -> None:
        """Append an artifact: a copy, because the stage may change the file, or DVC remove it."""
        copy = self.folder / "artifacts" / folder / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, copy, dirs_exist_ok=True)
        else:
            shutil.copy2(path, copy)
        self.append({"artifact": copy.relative_to(self.folder).as_posix()})

    def events(self, position: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the events from a byte position on, each with the position behind it."""
        if not self._events.exists():
            return
        with self._events.open("rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):  # cut short when its process was killed
                    return
                position += len(line)
                yield json.loads(line), position

    def delivered(self, run_id: str) -> int:
        """Return the position up to which this very run of MLflow has the log."""
        try:
            note = json.loads(self._delivered.read_text())
        except (FileNotFoundError, ValueError):  # ValueError: cut short when the machine went down
            return 0
        return note["position"] if note["run_id"] == run_id else 0

    def note_delivered(self, run_id: str, position: int) -> None:
        new = self._delivered.with_suffix(".new")
        new.write_text(json.dumps({"run_id": run_id, "position": position}))
        new.replace(self._delivered)

    def remove(self) -> None:
        self._events.unlink(missing_ok=True)  # first: a folder without events has nothing left to deliver
        shutil.rmtree(self.folder)
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)


class Store:
    """The place where MLflow keeps runs, opened; made where it does not exist yet."""

    def __init__(self, root: Path) -> None:
        for name, value in MLFLOW_DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient, MlflowException  # takes seconds

        self._run_ids: dict[str, str] = {}
        uri = tracking_uri(root)
        lock, artifacts = nullcontext(), None
        if uri.startswith(SQLITE):
            database = Path(uri.removeprefix(SQLITE))
            database.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{database}.lock", timeout=60)  # processes that create one database at once break it
            artifacts = (database.parent / "mlartifacts").as_uri()
        with lock:
            self._client: Any = MlflowClient(tracking_uri=uri)  # half typed
            if self._client.get_experiment_by_name(EXPERIMENT) is None:
                with suppress(MlflowException):  # another machine was faster
                    self._client.create_experiment(EXPERIMENT, artifacts)
            self._experiment_id: str = self._client.get_experiment_by_name(EXPERIMENT).experiment_id

    def deliver(self, spool: Spool, status: str = "RUNNING") -> str:
        """Send what MLflow does not have of a log.

        Args:
            spool: a log with at least its first event.
            status: of a run whose log has no end.

        Returns:
            The status that the run has now.
        """
        from mlflow.entities import Metric, Param

        start, _ = next(spool.events())
        run_id = self._run_id(spool.folder.name, start)
        position, ended = spool.delivered(run_id), spool.last_write
        figures: dict[str, float] = {}
        metrics: list[Metric] = []

        def send_metrics() -> None:
            self._client.log_batch(run_id, metrics=metrics)
            metrics.clear()
            spool.note_delivered(run_id, position)

        for event, end in spool.events(position):
            match event:
                case {"metric": name, "value": value, "time": milliseconds, "step": step}:
                    metrics.append(Metric(name, value, milliseconds, step))
                case {"params": params}:
                    self._client.log_batch(run_id, params=[Param(name, value) for name, value in params.items()])
                case {"artifact": path}:
                    folder = PurePosixPath(path).relative_to("artifacts").parent
                    self._client.log_artifact(run_id, str(spool.folder / path), folder.name or None)
                case {"status": status, "time": ended, "headline": figures}:
                    break  # not noted as delivered: a delivery that is repeated must see it again
                case _:
                    raise ValueError(f"unknown event {event}")
            position = end
            if len(metrics) == METRICS_PER_BATCH:
                send_metrics()
        send_metrics()
        if status != "RUNNING":
            points = [Metric(name, value, ended, 0) for name, value in figures.items()]
            parent_id = self._tell_parent(start, {mend(f"stage.{start['stage']}"): OUTCOMES[status]}, points)
            self._client.set_tag(run_id, PARENT_TAG, parent_id)
            self._client.set_terminated(run_id, status, ended)
            self._client.set_terminated(parent_id, status, ended)
        return status

    def _run_id(self, uid: str, start: dict[str, Any]) -> str:
        """Find the run that an earlier delivery of this log made, or make it."""
        if uid not in self._run_ids:
            runs = self._search(RUN_TAG, uid)
            if not runs:
                parent_id = self._tell_parent(start)
                self._client.update_run(parent_id, "RUNNING")
                tags = {**start["tags"], RUN_TAG: uid, PARENT_TAG: parent_id}
                runs = [self._client.create_run(self._experiment_id, start["time"], tags, start["stage"])]
            self._run_ids[uid] = runs[0].info.run_id
        return self._run_ids[uid]

    def _tell_parent(
        self, start: dict[str, Any], outcome: Mapping[str, str] | None = None, figures: Sequence[Any] = ()
    ) -> str:
        """Log what a stage knows of its experiment to the parent, and return that run's id.

        A stage that was executed for the experiment stays so, also when later stages find it restored.
        """
        from mlflow.entities import Param, RunTag

        parent = self._parent(start)
        tags = {
            name: value
            for name, value in {**start["experiment"]["tags"], **(outcome or {})}.items()
            if parent.data.tags.get(name) != EXECUTED
        }
        self._client.log_batch(
            parent.info.run_id,
            figures,
            [Param(name, value) for name, value in start["params"].items()],
            [RunTag(name, value) for name, value in tags.items()],
        )
        return parent.info.run_id

    def _parent(self, start: dict[str, Any]) -> Any:
        """Find the run of an experiment, or make it; of several make one."""
        uid, name = start["experiment"]["id"], start["experiment"]["name"]
        if not self._search(EXPERIMENT_TAG, uid):
            self._client.create_run(self._experiment_id, start["time"], {EXPERIMENT_TAG: uid}, name)
        oldest, *others = sorted(
            self._search(EXPERIMENT_TAG, uid), key=lambda run: (run.info.start_time, run.info.run_id)
        )
        for other in others:
            self._merge(other, oldest)
        return oldest

    def _merge(self, parent: Any, into: Any) -> None:
        """Move what a parent has to another one of the same experiment, and delete it."""
        from mlflow.entities import Metric, RunTag

        run_id = into.info.run_id
        for child in self._search(PARENT_TAG, parent.info.run_id):
            self._client.set_tag(child.info.run_id, PARENT_TAG, run_id)
        ended = parent.info.end_time or parent.info.start_time
        points = [Metric(name, value, ended, 0) for name, value in parent.data.metrics.items()]
        tags = [RunTag(name, value) for name, value in parent.data.tags.items() if value == EXECUTED]
        self._client.log_batch(run_id, points, tags=tags)
        self._client.delete_run(parent.info.run_id)

    def _search(self, tag: str, value: str) -> list[Any]:
        return self._client.search_runs([self._experiment_id], f"tags.`{tag}` = '{value}'")


def deliver_older(store: Store, root: Path) -> list[str]:
    """Deliver the logs that dead processes left, and return a line on each; warn of those that MLflow refuses."""
    lines: list[str] = []
    for folder in sorted(path for path in (root / PENDING).glob("*") if path.is_dir()):
        spool = Spool(folder)
        try:
            spool.lock.acquire(blocking=False)
        except Timeout:
            continue  # its process lives, or another one delivers it
        try:
            start = next((event for event, _ in spool.events()), None)
            if start is not None:  # else killed before its first event, or while it was removed
                status = store.deliver(spool, status="KILLED")
                lines.append(
                    f"{start['stage']} of {datetime.fromtimestamp(start['time'] // 1000)}: delivered, {status}"
                )
            spool.remove()
        except Exception as error:  # one log that MLflow refuses must not keep back the others
            warn(f"{folder} cannot be delivered ({brief(error)}); delete it to give that run up")
            spool.lock.release()
    return lines


def repository_root() -> Path:
    return Path(os.environ.get("DVC_ROOT", "")).resolve()


def tracking_uri(root: Path) -> str:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    return f"{SQLITE}{root / uri.removeprefix(SQLITE)}" if uri.startswith(SQLITE) else uri


def flatten(params: Mapping[str, Any]) -> dict[str, str]:
    """Return nested params as MLflow wants them: `{"train": {"steps": 800}}` is `{"train.steps": "800"}`."""
    return mended({name: str(value) for name, value in leaves(params)})


def mended(values: Mapping[str, T]) -> dict[str, T]:
    return {mend(name): value for name, value in values.items()}


def mend(name: str) -> str:
    """Return the nearest name that MLflow takes on every system: `d'` becomes `d_prime`, `FNMR@1e-3` `FNMR_1e-3`."""
    parts = re.sub(r"[^\w./ -]", "_", name.replace("'", "_prime")[:250]).split("/")
    return "/".join(part for part in parts if part.strip(".")) or "_"


def now() -> int:
    """Milliseconds since 1970, as MLflow counts."""
    return time.time_ns() // 1_000_000


def shown_uri(root: Path) -> str:
    return without_password(tracking_uri(root))


def brief(error: Exception) -> str:
    """Return the innermost reason that the message of an exception gives, on one line."""
    reason = str(error).partition("\n")[0].rpartition("Caused by ")[2]
    return without_password(f"{type(error).__name__}: {reason}")[:300]


def without_password(text: str) -> str:
    return re.sub(r"//[^/\s]*@", "//", text)


def warn(message: str) -> None:
    print(f"WARNING: {message}", file=sys.stderr, flush=True)


@contextmanager
def silence() -> Generator[None]:
    """Keep MLflow, Alembic and urllib3 from writing their progress and tracebacks between those of the stage."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(level)


@one_line_errors
def main() -> None:
    """Deliver what is pending, and print a line a run."""
    root = repository_root()
    try:
        with silence():
            store = Store(root)
            lines = deliver_older(store, root)
    except Exception as error:
        raise FtlganError(f"MLflow at {shown_uri(root)} does not open ({brief(error)})") from error
    print("\n".join(lines) or "nothing to deliver")


if __name__ == "__main__":
    main()
