"""The metrics of runs: DVC experiments, commits, or folders."""

import csv
import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ftlgan.errors import DataError

METRICS = Path("metrics")
NEEDED = ("res", "method", "judge", "protocol", "d_prime", "d_prime_lo", "d_prime_hi", "auc", "auc_lo", "auc_hi")
"""Columns of metrics/verification.csv."""
WORKSPACE = "workspace"
"""The name of what lies in `METRICS`."""
Metrics = Callable[[str], str | None]
"""Name of a file of metrics -> its text; None if there is none."""


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of the pipeline found."""

    name: str
    res: int
    verification: list[dict[str, str]]
    """Rows of metrics/verification.csv."""
    differences: list[dict[str, str]]
    """Rows of metrics/differences.csv."""
    quality: dict[str, dict[str, float]]
    """The rows of metrics/quality.json by their method; empty if there is none."""


def find_runs(names: Iterable[str]) -> list[Run]:
    """The runs of some names, a run a resolution, by resolution.

    Args:
        names: of DVC experiments, commits, or folders with metrics; without any, the experiments that started from
            the commit that is checked out, and the workspace if it is of a resolution that none of them has.

    Raises:
        DataError: if there is no run of a name, its metrics are not whole, or two of one resolution differ.
    """
    asked = {name: _metrics_of(name) for name in names}
    runs: dict[int, Run] = {}
    for name, metrics in (asked or _experiments("HEAD")).items():
        run = _read(name, metrics)
        other = runs.setdefault(run.res, run)
        if run.verification != other.verification:
            raise DataError(
                f"{other.name} and {run.name} are both of {run.res} px and differ; name one for each resolution: "
                f"ftlgan compare {other.name} ..."
            )
    if not asked and (not runs or (METRICS / "verification.csv").is_file()):
        workspace = _read(WORKSPACE, _in_folder(METRICS))
        runs.setdefault(workspace.res, workspace)
    return sorted(runs.values(), key=lambda run: run.res)


def _read(name: str, metrics: Metrics) -> Run:
    def rows(file: str) -> list[dict[str, str]]:
        text = metrics(file)
        if text is None:
            raise DataError(f"{name}: has no {METRICS / file}; run `dvc repro` or `dvc exp run` first")
        return list(csv.DictReader(text.splitlines()))

    verification, quality = rows("verification.csv"), metrics("quality.json")
    resolutions = {row.get("res", "") for row in verification}
    missing = [column for column in NEEDED if not all(row.get(column) for row in verification)]
    if missing or len(resolutions) != 1:
        raise DataError(f"{name}: its verification.csv lacks {', '.join(missing) or 'rows'}; run `dvc repro evaluate`")
    looks = {row.pop("method"): row for row in json.loads(quality or "[]")}
    return Run(name, int(resolutions.pop()), verification, rows("differences.csv"), looks)


def _metrics_of(name: str) -> Metrics:
    if Path(name).is_dir():
        folder = Path(name)
        return _in_folder(folder / METRICS if (folder / METRICS).is_dir() else folder)
    if name == WORKSPACE:
        return _in_folder(METRICS)
    named = [ref for ref in _references("refs/exps") if ref.rpartition("/")[2] == name]
    if len(named) > 1:
        raise DataError(f"{name}: {len(named)} experiments have this name; give a commit: {', '.join(named)}")
    if named or _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") is not None:
        return _in_commit(named[0] if named else name)
    raise DataError(f"{name}: there is no such experiment, commit or folder here; see `dvc exp list --all-commits`")


def _experiments(commit: str) -> dict[str, Metrics]:
    """By name, those that started from a commit: DVC keeps each as refs/exps/SH/A.../NAME."""
    sha = (_git("rev-parse", commit) or "").strip()
    references = _references(f"refs/exps/{sha[:2]}/{sha[2:]}") if sha else []
    return {reference.rpartition("/")[2]: _in_commit(reference) for reference in references}


def _references(under: str) -> list[str]:
    """References of experiments, without those that DVC keeps for itself (refs/exps/exec, refs/exps/celery)."""
    listed = (_git("for-each-ref", "--format=%(refname)", under) or "").split()
    return [reference for reference in listed if reference.count("/") == 4]


def _in_folder(folder: Path) -> Metrics:
    return lambda file: (folder / file).read_text() if (folder / file).is_file() else None


def _in_commit(revision: str) -> Metrics:
    return lambda file: _git("show", f"{revision}:./{METRICS / file}")


def _git(*command: str) -> str | None:
    """What git prints; None where it fails."""
    try:
        return subprocess.run(["git", *command], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
