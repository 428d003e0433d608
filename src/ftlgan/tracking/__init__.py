"""Tracking with MLflow: every execution of the stages `train`, `validate`, `evaluate` and `quality` is a run.

    with tracking.run("train", params) as run:
        run.log(step, {"loss/triplet": 0.31, "val/d_prime": 2.4})
        run.log_artifact(history)

is one run in MLflow's experiment `ftlgan`. It is nested (tag `mlflow.parentRunId`) in the parent run of its DVC
experiment, or of the plain `dvc repro` (see `tags.experiment`). Its file `inputs.json` lists the stages that it depends
on and the MD5 of their outputs.

The parent has the params, the metrics in the metrics files of dvc.yaml, the description from a stage, the status of the
stage that was executed last, and a tag `stage.<name>` for each of the four stages: executed (or failed, killed) for
this experiment, or restored. If DVC executes none of the four, nothing is logged, and no parent is created. The saved
view of `tracking.view` shows the metrics of the parents in MLflow's table of runs.

Problems with MLflow must not affect the stage. So a run is first written to disk, in `.mlflow-pending/` of the
repository, and delivered from there: at its start, now and then during the run, and at its end. Logs that can't be
delivered wait there for the next run, or for `python -m ftlgan.tracking`.

Nothing is lost, because a log is deleted only when MLflow has all of it. Nothing is duplicated: if a process is killed
before it notes a delivery, the next delivery sends the same data again. It finds the run by its tag `ftlgan.run`;
MLflow ignores points of a metric that it has (same name, value, time and step), and overwrites params and artifacts
with the same content. MLflow can't check and create a run in one step, so two processes may create the same parent.
Therefore each searches again after it has created one and when a stage ends, and merges all parents into the oldest.

If FTLGAN_TRACKING is `off`, nothing is logged, and MLflow is not imported, which would take seconds.

The store is MLFLOW_TRACKING_URI, by default `mlflow.db` and `mlartifacts/`. Relative paths start at the root of the DVC
repository, because under `dvc exp run --temp` the working directory is a temporary copy.
"""

import json
import math
import os
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftlgan.errors import ParamsError
from ftlgan.repository import locked_stages, stage_metrics
from ftlgan.tracking.names import flatten, mend, mended
from ftlgan.tracking.spool import PENDING, Spool, now, repository_root
from ftlgan.tracking.store import Store, brief, deliver_older, shown_uri, silence, warn
from ftlgan.tracking.tags import executed_stage, experiment, identifying_tags, inputs

SECONDS_BETWEEN_DELIVERIES = 10.0


@contextmanager
def run(stage: str, params: Mapping[str, Any]) -> Generator["Run"]:
    """Track one execution of a stage; an exception ends the run as FAILED, Ctrl-C as KILLED.

    Args:
        stage: the name of the run, used if DVC does not give the name of the stage.
        params: the params of the stage; nested mappings become dotted names (`train.steps`).

    Raises:
        ParamsError: if FTLGAN_TRACKING is neither `on`, the default, nor `off`.
    """
    switch = os.environ.get("FTLGAN_TRACKING", "on")
    if switch not in ("on", "off"):
        raise ParamsError(f"FTLGAN_TRACKING: {switch!r} is neither on nor off; set it to one of these")
    log = Run(stage, params) if switch == "on" else Untracked()
    try:
        yield log
    except BaseException as error:
        log.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    log.end("FINISHED")


class Run:
    """The log of the stage that is being executed; `run` creates it."""

    def __init__(self, stage: str, params: Mapping[str, Any]) -> None:
        self._root = repository_root()
        self._stage = executed_stage(stage)
        self._spool = Spool(self._root / PENDING / f"{now()}-{uuid.uuid4().hex}")
        locked, flat = locked_stages(params), flatten(params)
        rests_on = inputs(self._stage, locked)
        parent = experiment(flat, rests_on)
        self._spool.create(
            {
                "stage": self._stage,
                "time": now(),
                "tags": mended(identifying_tags()),
                "params": flat,
                "experiment": parent | {"tags": mended(parent["tags"])},
            }
        )
        if rests_on:
            self._spool.write("inputs.json", json.dumps(rests_on, indent=2) + "\n")
        self._description = ""
        self._store: Store | None = None
        self._step = 0
        self._next_delivery = 0.0
        self._deliver()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of one step with the current time. This is fast enough for every step.

        Args:
            step: the training step, ascending.
            values: the values by name. NaN stays NaN; MLflow's databases store infinity as the largest float.
        """
        self._step = step
        point = {"step": step, "time": now()}
        self._spool.append(*({"metric": mend(name), "value": float(value), **point} for name, value in values.items()))
        if time.monotonic() >= self._next_delivery:
            self._deliver()

    def log_final(self, values: Mapping[str, float]) -> None:
        """Log values of the whole run, at the last logged step."""
        self.log(self._step, values)

    def describe(self, markdown: str) -> None:
        """Set the description of the run and of its parent; MLflow gets it when the run ends."""
        self._description = markdown

    def log_figure(self, path: Path) -> None:
        """Log the current content of an image file into the run's folder `figures`."""
        self._spool.keep(path, "figures")

    def log_artifact(self, path: Path) -> None:
        """Log the current content of a file or folder."""
        self._spool.keep(path)

    def end(self, status: str) -> None:
        """End the run as `FINISHED`, `FAILED` or `KILLED`, and deliver the rest of its log."""
        metrics = mended(stage_metrics(self._stage)) if status == "FINISHED" else {}
        self._spool.append({"status": status, "time": now(), "headline": metrics, "description": self._description})
        if self._deliver():
            self._spool.remove()
        self._spool.lock.release()

    def _deliver(self) -> bool:
        """Deliver new events, older logs first. After a failure, only the end of the run tries again."""
        try:
            with silence():
                if self._store is None:
                    self._store = Store(self._root)
                    deliver_older(self._store, self._root)
                started = time.monotonic()
                self._store.deliver(self._spool)
                seconds = time.monotonic() - started
        except Exception as error:  # whatever it is, the stage must go on
            if self._next_delivery < math.inf:
                warn(
                    f"MLflow at {shown_uri(self._root)} does not take the log of this run ({brief(error)}). The stage "
                    f"goes on; the log is kept in {self._spool.folder} and will be delivered when the stage ends, at "
                    "the next run, or with `python -m ftlgan.tracking`"
                )
            self._store, self._next_delivery = None, math.inf
            return False
        # Deliveries to a slow server are rarer, so that they take at most a twentieth of the stage's time.
        self._next_delivery = time.monotonic() + max(SECONDS_BETWEEN_DELIVERIES, 20 * seconds)
        return True


class Untracked(Run):
    """The log of a stage when FTLGAN_TRACKING is off; it keeps nothing."""

    def __init__(self) -> None:
        pass

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep nothing."""

    def log_final(self, values: Mapping[str, float]) -> None:
        """Keep nothing."""

    def describe(self, markdown: str) -> None:
        """Keep nothing."""

    def log_figure(self, path: Path) -> None:
        """Keep nothing."""

    def log_artifact(self, path: Path) -> None:
        """Keep nothing."""

    def end(self, status: str) -> None:
        """Keep nothing."""
