"""MLflow's store, a file or a server: open it, deliver logs to it, and describe its errors."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from ftlgan.tracking.artifacts import FOLDER, follow_database, local_path
from ftlgan.tracking.names import mend
from ftlgan.tracking.spool import PENDING, Spool
from ftlgan.tracking.tags import EXECUTED
from ftlgan.tracking.view import VIEW_TAG, with_columns

EXPERIMENT = "ftlgan"
RUN_TAG = "ftlgan.run"  # on the run of a stage: the name of the folder that it was delivered from
EXPERIMENT_TAG = "ftlgan.experiment"  # on a parent: the id of its experiment
NOTE_TAG = "mlflow.note.content"  # MLflow shows it as the description
PARENT_TAG = "mlflow.parentRunId"  # on the run of a stage: MLflow shows it below its parent
OUTCOMES = {"FINISHED": EXECUTED, "FAILED": "failed", "KILLED": "killed"}
SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)([^?]+)(.*)")  # the start of the URI, the path of the database, options
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
NO_PATHS = ("databricks", "databricks-uc", "uc")  # words that name a store
METRICS_PER_BATCH = 1000  # MLflow's limit for one request
REASON = re.compile(r"\(([\w.]+Error)\) ([^\n]*)")  # a database's error, somewhere in MLflow's message of several lines
DELETED = re.compile(r"The run (\w+) must be in the 'active' state")  # MLflow's error for a deleted run
TWICE = re.compile(r"unique constraint|duplicate key|duplicate entry", re.IGNORECASE)  # a database's error for a row
SEARCH_FAILED = re.compile(r"runs/search failed .*500 error responses")  # MLflow 3.17, during another search
TRIES = 20  # more than the processes that may write to one parent at once

# Defaults that the user may override. Telemetry is off, because faces are personal data. A missing server is noticed in
# seconds, not minutes. MLflow repeats no request, because repeating one that was only slow would create a run twice.
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Store:
    """MLflow's store of runs, opened, and created if it does not exist."""

    def __init__(self, root: Path) -> None:
        for name, value in MLFLOW_DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient, MlflowException  # takes seconds

        self._run_ids: dict[str, str] = {}
        uri = tracking_uri(root)
        database = sqlite_file(uri)
        lock, artifacts = nullcontext(), None
        if database:
            database.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{database}.lock", timeout=60)  # processes that create one database at once break it
        if uri.startswith(DATABASES):
            from mlflow.store.db import utils

            # By default, MLflow silently retries for 102 s to open a dangling link or another user's file.
            utils.MAX_RETRY_COUNT = 1
            # By default, artifacts go to the working directory, which may be a temporary copy.
            artifacts = ((database.parent if database else root) / FOLDER).as_uri()
        with lock:
            self._client: Any = MlflowClient(tracking_uri=uri)  # half typed
            if (experiment := self._client.get_experiment_by_name(EXPERIMENT)) is None:
                try:
                    self._client.create_experiment(EXPERIMENT, artifacts)
                except MlflowException:
                    if self._client.get_experiment_by_name(EXPERIMENT) is None:
                        raise  # if it exists now, another machine was faster
                experiment = self._client.get_experiment_by_name(EXPERIMENT)
            self._experiment_id: str = experiment.experiment_id
            if database and (line := follow_database(database, self._experiment_id)):
                warn(line)

    def deliver(self, spool: Spool, status: str = "RUNNING") -> str:
        """Send those events of a log that MLflow does not have.

        Another process may merge the parent into an older one at the same moment, or write the same to it. The delivery
        is then tried again.

        Args:
            spool: a log with at least its first event.
            status: the status of the run if its log has no end.

        Returns:
            The new status of the run.

        Raises:
            MlflowException: if MLflow can't be reached or refuses.
        """
        from mlflow import MlflowException

        tries = 0
        while True:
            try:
                return self._deliver(spool, status)
            except MlflowException as error:
                tries += 1
                if tries == TRIES or not self._may_try_again(str(error)):
                    raise

    def _may_try_again(self, refusal: str) -> bool:
        """Return whether MLflow refused only because other processes wrote to it at the same moment."""
        deleted = DELETED.search(refusal)
        merged = deleted is not None and deleted[1] not in self._run_ids.values()
        return merged or bool(TWICE.search(refusal) or SEARCH_FAILED.search(refusal))

    def _deliver(self, spool: Spool, status: str) -> str:
        """Deliver once; this fails if another process merges the parent or writes the same to it at the same moment."""
        from mlflow.entities import Metric, Param

        start, _ = next(spool.events())
        run_id = self._run_id(spool.folder.name, start)
        position, ended = spool.delivered(run_id), spool.last_write
        metrics: dict[str, float] = {}
        description = ""
        points: list[Metric] = []

        def send_points() -> None:
            self._client.log_batch(run_id, metrics=points)
            points.clear()
            spool.note_delivered(run_id, position)

        for event, end in spool.events(position):
            match event:
                case {"metric": name, "value": value, "time": milliseconds, "step": step}:
                    points.append(Metric(name, value, milliseconds, step))
                case {"params": params}:
                    self._client.log_batch(run_id, params=[Param(name, value) for name, value in params.items()])
                case {"artifact": path}:
                    folder = PurePosixPath(path).relative_to("artifacts").parent
                    self._client.log_artifact(run_id, str(spool.folder / path), folder.name or None)
                case {"status": status, "time": ended, "headline": metrics, **rest}:
                    description = rest.get("description", "")
                    break  # not noted as delivered, because a repeated delivery must read it again
                case _:
                    raise ValueError(f"unknown event {event}")
            position = end
            if len(points) == METRICS_PER_BATCH:
                send_points()
        send_points()
        if status != "RUNNING":
            final = [Metric(name, value, ended, 0) for name, value in metrics.items()]
            parent_id = self._tell_parent(start, {mend(f"stage.{start['stage']}"): OUTCOMES[status]}, final)
            self._client.set_tag(run_id, PARENT_TAG, parent_id)
            if description:
                self._describe(run_id, parent_id, description)
            self._show(metrics, ended)
            self._client.set_terminated(run_id, status, ended)
            self._client.set_terminated(parent_id, status, ended)
        return status

    def _run_id(self, uid: str, start: dict[str, Any]) -> str:
        """Return the id of the run of this log, from an earlier delivery or created now."""
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
        self, start: dict[str, Any], outcome: Mapping[str, str] | None = None, points: Sequence[Any] = ()
    ) -> str:
        """Log the params, tags and metrics of a stage's experiment to the parent, and return the parent's id.

        The tag of a stage that was executed for the experiment does not change if later stages find it restored.
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
            points,
            [Param(name, value) for name, value in start["params"].items()],
            [RunTag(name, value) for name, value in tags.items()],
        )
        return parent.info.run_id

    def _describe(self, run_id: str, parent_id: str, text: str) -> None:
        """Set the description of a stage's run, and of its parent unless a user has edited that."""
        self._client.set_tag(run_id, NOTE_TAG, text)
        note = self._client.get_run(parent_id).data.tags.get(NOTE_TAG)
        if not note or note in (child.data.tags.get(NOTE_TAG) for child in self._children(parent_id)):
            self._client.set_tag(parent_id, NOTE_TAG, text)

    def _show(self, metrics: Mapping[str, float], time: int) -> None:
        """Add a column for each metric to the saved view of the table of runs."""
        tags = self._client.get_experiment(self._experiment_id).tags
        if metrics and (view := with_columns(tags.get(VIEW_TAG), metrics, time)):
            self._client.set_experiment_tag(self._experiment_id, VIEW_TAG, view)

    def _parent(self, start: dict[str, Any]) -> Any:
        """Return the parent run of an experiment, created if needed; several are merged into the oldest."""
        uid, name = start["experiment"]["id"], start["experiment"]["name"]
        if not self._search(EXPERIMENT_TAG, uid):
            self._client.create_run(self._experiment_id, start["time"], {EXPERIMENT_TAG: uid}, name)
        oldest, *others = sorted(
            self._search(EXPERIMENT_TAG, uid), key=lambda run: (run.info.start_time, run.info.run_id)
        )
        for other in others:
            self._merge(other, oldest)
        return oldest

    def _merge(self, parent: Any, target: Any) -> None:
        """Move the content of a parent to another one of the same experiment, and delete it."""
        from mlflow.entities import Metric, RunTag

        run_id = target.info.run_id
        for child in self._children(parent.info.run_id):
            self._client.set_tag(child.info.run_id, PARENT_TAG, run_id)
        ended = parent.info.end_time or parent.info.start_time
        points = [Metric(name, value, ended, 0) for name, value in parent.data.metrics.items()]
        tags = [
            RunTag(name, value) for name, value in parent.data.tags.items() if value == EXECUTED or name == NOTE_TAG
        ]
        self._client.log_batch(run_id, points, tags=tags)
        self._client.delete_run(parent.info.run_id)

    def _children(self, parent_id: str) -> list[Any]:
        return self._search(PARENT_TAG, parent_id)

    def _search(self, tag: str, value: str) -> list[Any]:
        return self._client.search_runs([self._experiment_id], f"tags.`{tag}` = '{value}'")


def deliver_older(store: Store, root: Path) -> list[str]:
    """Deliver the logs that dead processes left, and return a line on each; warn about logs that MLflow refuses."""
    lines: list[str] = []
    for folder in sorted(path for path in (root / PENDING).glob("*") if path.is_dir()):
        spool = Spool(folder)
        try:
            spool.lock.acquire(blocking=False)
        except Timeout:
            continue  # its process is alive, or another process delivers it
        try:
            start = next((event for event, _ in spool.events()), None)
            if start is not None:  # None if its process was killed before the first event or during removal
                status = store.deliver(spool, status="KILLED")
                lines.append(
                    f"{start['stage']} of {datetime.fromtimestamp(start['time'] // 1000)}: delivered, {status}"
                )
            spool.remove()
        except Exception as error:  # one refused log must not block the others
            warn(f"{folder} cannot be delivered ({brief(error)}); delete it to give up that run")
            spool.lock.release()
    return lines


def tracking_uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI, by default `mlflow.db`, with a relative path resolved from the repository's root."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if sqlite := SQLITE.fullmatch(uri):
        start, path, options = sqlite.groups()
        return uri if path == ":memory:" else f"{start}{root / path}{options}"
    path = None if uri in NO_PATHS else local_path(uri)
    return uri if path is None else (root / path).as_uri()


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an SQLite database, or None for any other store."""
    sqlite = SQLITE.fullmatch(uri)
    return Path(sqlite[2]) if sqlite and sqlite[2] != ":memory:" else None


def shown_uri(root: Path) -> str:
    return without_password(tracking_uri(root))


def brief(error: Exception) -> str:
    """Return the innermost reason in the message of an exception, in one line."""
    if database := REASON.search(str(error)):
        return without_password(f"{database[1]}: {database[2]}")[:300]
    reason = str(error).partition("\n")[0].rpartition("Caused by ")[2]
    return without_password(f"{type(error).__name__}: {reason}")[:300]


def without_password(text: str) -> str:
    return re.sub(r"//[^/\s]*@", "//", text)


def warn(message: str) -> None:
    print(f"WARNING: {message}", file=sys.stderr, flush=True)


@contextmanager
def silence() -> Generator[None]:
    """Silence the log messages and warnings of MLflow, Alembic and urllib3, which would mix with the stage's output."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(level)
