"""The experiments that DVC knows, in any state, with their params and their headline."""

import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from ftlgan.comparison.runs import locked_params, matrix_items
from ftlgan.errors import DataError
from ftlgan.evaluation.judging import D_PRIME
from ftlgan.params import leaves
from ftlgan.repository import git, stages_in

SUCCESS, STALE = "success", "stale"
State = Literal["success", "queued", "running", "failed", "stale"]


class _File(BaseModel):
    """A file of params or metrics; `data` is missing if DVC could not read it."""

    data: dict[str, Any] = {}


class _Content(BaseModel):
    timestamp: datetime | None = None
    params: Mapping[str, _File] = {}
    metrics: Mapping[str, _File] = {}


class _Revision(BaseModel):
    rev: str
    name: str | None = None
    data: _Content | None = None
    """None if DVC could not read the revision."""


class _Executor(BaseModel):
    state: State


class _Range(BaseModel):
    """An experiment; its last revision comes first, and older checkpoints follow."""

    revs: Sequence[_Revision]
    executor: _Executor | None = None


class _Baseline(_Revision):
    """The workspace or a commit, and the experiments that started from it."""

    experiments: Sequence[_Range] | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment, a commit or the workspace."""

    name: str
    """The name of the experiment or the branch; empty for a queued experiment without a name."""
    commit: str
    """The abbreviated SHA; empty for the workspace."""
    state: State
    """`STALE` if its params have changed since its metrics were computed."""
    created: datetime | None
    """The local time of the commit; None for the workspace."""
    params: Mapping[str, Any]
    """The content of params.yaml by dotted names."""
    d_prime: Mapping[str, float]
    """The headline of each method; empty unless the experiment is done with these params."""


def read_experiments(commits: int) -> list[Experiment]:
    """Return the workspace, and then the last commits, each followed by the experiments that started from it.

    This runs `dvc exp show --json`, because the state of a queued experiment is not in git. It takes 6 seconds. At
    least one commit is returned.

    Args:
        commits: the number of commits to read, from the current one backwards; -1 reads all.

    Raises:
        DataError: if DVC can't list its experiments, or there is no commit.
    """
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json", "--num", str(commits)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    try:
        baselines = TypeAdapter(list[_Baseline]).validate_json(done.stdout)
    except ValidationError:
        reason = done.stderr.strip().splitlines() or ["it printed no JSON"]
        raise DataError(f"dvc exp show: {reason[-1].removeprefix('ERROR: ')}") from None
    if len(baselines) < 2:
        raise DataError(f"--commits {commits}: DVC lists no commit here; commit the project, or give -1, or 1 or more")
    return [experiment for baseline in baselines for experiment in _experiments(baseline)]


def _experiments(baseline: _Baseline) -> Iterator[Experiment]:
    yield _experiment(baseline, SUCCESS)
    for found in baseline.experiments or ():
        yield _experiment(found.revs[0], found.executor.state if found.executor else SUCCESS)


def _experiment(revision: _Revision, state: State) -> Experiment:
    content = revision.data or _Content()
    in_workspace = revision.rev == "workspace"
    params = content.params.get("params.yaml", _File()).data
    # Until an experiment is done, DVC gives the metrics of the commit from which it started.
    metrics = content.metrics.get("metrics/metrics.json", _File()).data
    if state == SUCCESS and _is_stale(dict(leaves(params)), metrics, None if in_workspace else revision.rev):
        state = STALE
    return Experiment(
        name=revision.rev if in_workspace else revision.name or "",
        commit="" if in_workspace else revision.rev[:7],
        state=state,
        created=content.timestamp,
        params=dict(leaves(params)),
        d_prime={
            name.removesuffix(f".{D_PRIME}"): value
            for name, value in leaves(metrics if state == SUCCESS else {})
            if name.endswith(f".{D_PRIME}") and isinstance(value, float | int)
        },
    )


def _is_stale(params: Mapping[str, Any], methods: Collection[str], commit: str | None) -> bool:
    """Return whether the stages in dvc.lock, of a commit or of the workspace, ran with other params than these."""
    judges, teachers, conditions = (
        params.get(name) or [] for name in ("recognition.judges", "recognition.teachers", "test.conditions")
    )
    items = {"", *teachers, *matrix_items(methods, judges, conditions)}
    lock = stages_in(git("show", f"{commit}:./dvc.lock") or "") if commit else stages_in(Path("dvc.lock"))
    declared = stages_in(Path("dvc.yaml"))  # DVC does not remove old stages from dvc.lock
    ran = {name: entry for name, entry in lock.items() if name.partition("@")[0] in declared}
    return any(params.get(name) != value for name, value in locked_params(ran, items).items())
