"""What MLflow remembers: every execution of the stages `train`, `validate`, `evaluate` and `quality`.

    with tracking.run("train", params) as run:
        run.log(step, {"loss/triplet": 0.31, "val/d_prime": 2.4})
        run.log_artifact(history)

is one run of MLflow's experiment `ftlgan`, nested (tag `mlflow.parentRunId`) in the run of the experiment of DVC, or
of the plain `dvc repro`, that it belongs to: `tags.experiment`. Its file `inputs.json` has the stages that it rests on
and the MD5 of their outputs.

That parent has the params, the metrics in the metrics files of dvc.yaml, the description that a stage gave, the status
of the stage that was executed last, and for each of the four stages a tag `stage.<name>`: executed (or failed, killed)
for this experiment, or restored. Where DVC executes none of the four nothing is logged, and no parent made. The saved
view of `tracking.view` shows the metrics of the parents in MLflow's table of runs.

Nothing that befalls MLflow may hurt the stage, so a run is first written to disk, in `.mlflow-pending/` of the
repository, and delivered from there: at its start, now and then while it lasts, and at its end. What cannot be
delivered waits there for the next run, or for `python -m ftlgan.tracking`.

Nothing is lost: the log goes away only when MLflow has all of it. Nothing is doubled: a kill between a delivery and the
note of it makes the next delivery send the same things again, and MLflow then finds the run by its tag `ftlgan.run`,
drops the points of a metric that it has (same name, value, time and step) and replaces params and artifacts by
themselves. MLflow cannot be asked to make a run unless there is one, so two processes may make the same parent: each
looks again after it has made one, and when a stage ends, and whoever sees two leaves the older.

Where FTLGAN_TRACKING is `off` nothing is kept, and MLflow, which takes seconds to start, is not imported.

The store is MLFLOW_TRACKING_URI, by default `mlflow.db` and `mlartifacts/`. A relative path is seen from the root of
the DVC repository: under `dvc exp run --temp` the working directory is a copy that is thrown away.
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
        stage: the name of the run, and of its stage in dvc.yaml where DVC does not give it.
        params: what the stage was run with; nested mappings become dotted names (`train.steps`).

    Raises:
        ParamsError: if FTLGAN_TRACKING is neither `on`, which it is unless set, nor `off`.
    """
    switch = os.environ.get("FTLGAN_TRACKING", "on")
    if switch not in ("on", "off"):
        raise ParamsError(f"FTLGAN_TRACKING: {switch!r} is neither on nor off; set it to one of them")
    log = Run(stage, params) if switch == "on" else Untracked()
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

    def describe(self, markdown: str) -> None:
        """Give the run, and the one above it, a description: it stands there when the run has ended."""
        self._description = markdown

    def log_figure(self, path: Path) -> None:
        """Log an image file, as it is now, into the run's folder `figures`."""
        self._spool.keep(path, "figures")

    def log_artifact(self, path: Path) -> None:
        """Log a file or a folder as it is now."""
        self._spool.keep(path)

    def end(self, status: str) -> None:
        """End the run as `FINISHED`, `FAILED` or `KILLED`, and deliver what is left of its log."""
        metrics = mended(stage_metrics(self._stage)) if status == "FINISHED" else {}
        self._spool.append({"status": status, "time": now(), "headline": metrics, "description": self._description})
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


class Untracked(Run):
    """The log of a stage that is executed where FTLGAN_TRACKING is off: nothing is kept."""

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
