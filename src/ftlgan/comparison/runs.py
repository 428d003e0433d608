"""The metrics of runs: DVC experiments, commits, or folders."""

import csv
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError

from ftlgan.errors import DataError
from ftlgan.evaluation import CEILING
from ftlgan.params import leaves
from ftlgan.tracking.provenance import git, stages_in

METRICS = "metrics"
WORKSPACE = "workspace"
"""The name of what lies in `METRICS`."""
T = TypeVar("T")


class Verified(BaseModel):
    """A method before a judge, by a protocol: a row of metrics/verification.csv."""

    res: int
    method: str
    judge: str
    protocol: str
    d_prime: FiniteFloat
    d_prime_lo: FiniteFloat
    d_prime_hi: FiniteFloat
    auc: FiniteFloat
    auc_lo: FiniteFloat
    auc_hi: FiniteFloat


class Difference(BaseModel):
    """The interval of d' of a method minus that of another, paired: a row of metrics/differences.csv."""

    method: str
    baseline: str
    judge: str
    protocol: str
    d_prime_lo: FiniteFloat
    d_prime_hi: FiniteFloat


class Quality(BaseModel):
    """How near the faces of a method come to their twins: a row of metrics/quality.json."""

    method: str
    psnr: FiniteFloat
    ssim: FiniteFloat
    lpips: FiniteFloat | None = None


class Photos(BaseModel):
    aligned_sha256: str


class Degradation(BaseModel):
    kernel: str


class Origin(BaseModel):
    """What the figures rest on: of metrics/origin.json what must be the same in runs that are compared."""

    dataset: Photos
    split: Mapping[str, Any]
    judges: Mapping[str, Any]
    degradation: Degradation


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of the pipeline found."""

    name: str
    commit: str
    """Its abbreviation; empty for a folder."""
    res: int
    origin: Origin
    params: Mapping[str, Any]
    """Those that its stages ran with, by dotted names; empty where there are metrics alone."""
    verification: Sequence[Verified]
    differences: Sequence[Difference]
    quality: Sequence[Quality]


class _Project(NamedTuple):
    """Where a run is."""

    commit: str
    read: Callable[[str], str | None]
    """Path of a file -> its text; None if there is none."""


def find_runs(names: Iterable[str]) -> list[Run]:
    """The runs of some names, a run a resolution, by resolution.

    Args:
        names: of DVC experiments, commits, or folders with metrics; without any, the experiments that started from
            the commit that is checked out, and the workspace if it is of a resolution that none of them has.

    Raises:
        DataError: if there is no run of a name, its metrics are not whole, or two of one resolution differ.
    """
    asked = {name: _project_of(name) for name in names}
    runs: dict[int, Run] = {}
    for name, project in (asked or _experiments("HEAD")).items():
        run = _read(name, project)
        other = runs.setdefault(run.res, run)
        if run.verification != other.verification:
            raise DataError(
                f"{other.name} and {run.name} are both of {run.res} px and differ; name one for each resolution: "
                f"ftlgan compare {other.name} ..."
            )
    if not asked and (not runs or Path(METRICS, "verification.csv").is_file()):
        workspace = _read(WORKSPACE, _in_folder(Path()))
        runs.setdefault(workspace.res, workspace)
    return sorted(runs.values(), key=lambda run: run.res)


def differing_params(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """What else than the resolution differs: dotted name -> the value of each run, None where it is not known."""
    known = [run.params for run in runs if run.params]
    names = dict.fromkeys(name for params in known for name in params if name != "res")
    return {
        name: [run.params.get(name) for run in runs]
        for name in names
        if any(params.get(name) != known[0].get(name) for params in known)
    }


def _read(name: str, project: _Project) -> Run:
    verification = _parsed(name, project, "verification.csv", list[Verified])
    judges = {row.judge for row in verification if row.method == CEILING}
    resolutions = {row.res for row in verification}
    if len(resolutions) != 1 or judges != {row.judge for row in verification}:
        raise DataError(
            f"{name}: {METRICS}/verification.csv should be of one resolution, with a row {CEILING!r} for each judge; "
            "run `dvc repro` there"
        )
    return Run(
        name=name,
        commit=project.commit,
        res=resolutions.pop(),
        origin=_parsed(name, project, "origin.json", Origin),
        params=_params(project, named={word for row in verification for word in (row.method, row.judge)}),
        verification=verification,
        differences=_parsed(name, project, "differences.csv", list[Difference]),
        quality=_parsed(name, project, "quality.json", list[Quality], otherwise="[]"),
    )


def _parsed(name: str, project: _Project, file: str, kind: type[T], otherwise: str | None = None) -> T:
    """What a CSV or JSON file of metrics holds.

    Args:
        name: of the run.
        project: where it is.
        file: in `METRICS`.
        kind: what it should be; of a CSV a list of rows.
        otherwise: what the file would hold if it is not there.
    """
    text = project.read(f"{METRICS}/{file}") or otherwise
    if text is None:
        raise DataError(f"{name}: has no {METRICS}/{file}; run `dvc repro` or `dvc exp run` first")
    form = TypeAdapter(kind)
    try:
        if file.endswith(".json"):
            return form.validate_json(text)
        return form.validate_python(list(csv.DictReader(text.splitlines())))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ": ".join(str(part) for part in problem["loc"])
        raise DataError(
            f"{name}: {METRICS}/{file}: {place or 'it'}: {problem['msg'].lower()}; run `dvc repro` there"
        ) from None


def _params(project: _Project, named: Collection[str]) -> dict[str, Any]:
    """The params in dvc.lock, not in params.yaml, which may have been changed since.

    Args:
        project: where the run is.
        named: its methods and judges; DVC leaves the stages of others in dvc.lock, with the params of earlier runs.
    """
    found: dict[str, Any] = {}
    for stage, entry in stages_in(project.read("dvc.lock") or "").items():
        item = stage.partition("@")[2]
        if not item or item in named:
            found |= leaves(entry.get("params", {}).get("params.yaml", {}))
    return found


def _project_of(name: str) -> _Project:
    if name == WORKSPACE:
        return _in_folder(Path())
    if Path(name).is_dir():
        return _in_folder(Path(name))
    named = [ref for ref in _references("refs/exps") if ref.rpartition("/")[2] == name]
    if len(named) > 1:
        raise DataError(f"{name}: {len(named)} experiments have this name; give a commit: {', '.join(named)}")
    if named or git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") is not None:
        return _in_commit(named[0] if named else name)
    raise DataError(f"{name}: there is no such experiment, commit or folder here; see `dvc exp list --all-commits`")


def _experiments(commit: str) -> dict[str, _Project]:
    """By name, those that started from a commit: DVC keeps each as refs/exps/SH/A.../NAME."""
    sha = git("rev-parse", commit)
    references = _references(f"refs/exps/{sha[:2]}/{sha[2:]}") if sha else []
    return {reference.rpartition("/")[2]: _in_commit(reference) for reference in references}


def _references(under: str) -> list[str]:
    """References of experiments, without those that DVC keeps for itself (refs/exps/exec, refs/exps/celery)."""
    listed = (git("for-each-ref", "--format=%(refname)", under) or "").split()
    return [reference for reference in listed if reference.count("/") == 4]


def _in_folder(folder: Path) -> _Project:
    """Of a project, of its folder of metrics, or of metrics that were copied somewhere."""
    if not (folder / METRICS).is_dir() and folder.name == METRICS:
        folder = folder.parent

    def read(file: str) -> str | None:
        path = folder / (file if (folder / METRICS).is_dir() else file.removeprefix(f"{METRICS}/"))
        return path.read_text(errors="replace") if path.is_file() else None

    return _Project("", read)


def _in_commit(revision: str) -> _Project:
    def read(file: str) -> str | None:
        return git("show", f"{revision}:./{file}")

    return _Project(git("rev-parse", "--short", revision) or "", read)
