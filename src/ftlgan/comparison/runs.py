"""The metrics of runs, read from DVC experiments, commits or folders."""

import csv
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from ftlgan.comparison.metrics import Calibrated, Difference, Identified, Listed, Origin, Quality, Verified
from ftlgan.errors import DataError
from ftlgan.evaluation.judging import CEILING
from ftlgan.params import leaves
from ftlgan.repository import Stages, git, stages_in

METRICS = "metrics"
HEAD = "HEAD"
WORKSPACE = "workspace"
"""The name of the run whose metrics are in the folder `METRICS` here."""
SEED = "train.seed"
"""The only param that may differ between the trainings of one row."""
OPTIONAL = {
    "quality": "quality.json",
    "identify": "identification.csv",
    "verify_pairs": "pairs.csv",
    "calibrate": "calibration/calibration.csv",
}
"""The files in `METRICS` that a run may lack, by the stage that writes them."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Run:
    """The metrics and params of one run of the pipeline."""

    name: str
    commit: str
    """The abbreviated SHA; empty for a folder."""
    res: int
    origin: Origin
    params: Mapping[str, Any]
    """The params that the stages ran with, by dotted names; empty for a folder that has only metrics."""
    verification: Sequence[Verified]
    """The rows of the headline's condition, as in all fields that follow."""
    differences: Sequence[Difference]
    quality: Sequence[Quality]
    identification: Sequence[Identified] = ()
    calibration: Sequence[Calibrated] = ()
    pairs: Sequence[Listed] = ()
    """These three are empty for runs of earlier versions; `pairs` is also empty without a list of pairs."""
    outdated: Sequence[str] = ()
    """The files of metrics that are of other data than `verification`, and so are not read."""


class _Project(NamedTuple):
    """The commit or folder of a run."""

    commit: str
    read: Callable[[str], str | None]
    """Returns the text of the file at a path from the root; None if there is no such file."""


def find_runs(names: Iterable[str]) -> list[Run]:
    """Find runs by name, and return them in the order of resolution.

    A resolution may have several runs only if they are trainings whose params differ only in `SEED`. Runs with the same
    metrics are returned once.

    Args:
        names: DVC experiments, commits, folders with metrics, or `WORKSPACE`. Without names, the runs are the
            experiments that started from the current commit, and that commit if no experiment has its resolution.

    Raises:
        DataError: if a run does not exist, its metrics are damaged, or two runs of one resolution differ in more.
    """
    asked = {name: _find_project(name) for name in names}
    if not asked and git("rev-parse", HEAD) is None:
        raise DataError("there is no commit here; commit the project, or name folders of metrics")
    runs: dict[int, list[Run]] = {}
    for name, project in (asked or _head_experiments()).items():
        run = _read(name, project)
        trainings = runs.setdefault(run.res, [])
        if all(run.verification != other.verification for other in trainings):
            for other in trainings:
                _require_same_but_seed(other, run)
            trainings.append(run)
    if not asked:
        head = _find_project(HEAD)
        if not runs or head.read(f"{METRICS}/verification.csv") is not None:
            run = _read(HEAD, head)
            runs.setdefault(run.res, [run])
    return [run for res in sorted(runs) for run in runs[res]]


def _require_same_but_seed(one: Run, other: Run) -> None:
    """Raise a `DataError` if two runs of a resolution do not differ only in their seed."""
    differing = [name for name in _differing([one.params, other.params]) if name != SEED]
    seeds = [run.params.get(SEED) for run in (one, other)]
    if differing or None in seeds or seeds[0] == seeds[1]:
        what = f"in {', '.join(differing[:3])}" if differing else f"but not only in {SEED}, according to dvc.lock"
        raise DataError(
            f"{one.name} and {other.name} are both of {one.res} px and differ {what}; name one for each resolution, or "
            f"trainings that differ only in {SEED}: ftlgan compare {one.name} ..."
        )


def differing_params(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the params that differ, except the resolution.

    Returns:
        The values of each param by dotted name, in the order of the runs; None for runs without it.
    """
    differing = _differing([run.params for run in runs])
    return {name: values for name, values in differing.items() if name != "res"}


def differing_software(runs: Sequence[Run]) -> dict[str, list[str | None]]:
    """Return the libraries whose versions differ.

    Returns:
        The versions of each library by name, in the order of the runs; None for runs that did not record it.
    """
    return _differing([run.origin.software for run in runs])


def _differing(tables: Sequence[Mapping[str, T]]) -> dict[str, list[T | None]]:
    """Return the values in every table of those keys that differ between non-empty tables."""
    known = [table for table in tables if table]
    names = dict.fromkeys(name for table in known for name in table)
    return {
        name: [table.get(name) for table in tables]
        for name in names
        if any(table.get(name) != known[0].get(name) for table in known)
    }


def _read(name: str, project: _Project) -> Run:
    verification = _parsed(name, project, "verification.csv", list[Verified])
    judges = {row.judge for row in verification if row.method == CEILING}
    resolutions = {row.res for row in verification}
    if len(resolutions) != 1 or judges != {row.judge for row in verification}:
        raise DataError(
            f"{name}: {METRICS}/verification.csv should have one resolution, and a row {CEILING!r} for each judge; "
            "run `dvc repro` there"
        )
    origin = _parsed(name, project, "origin.json", Origin)
    if unknown := judges - origin.judges.keys():
        raise DataError(f"{name}: {METRICS}/origin.json has no judge {min(unknown)}; run `dvc repro` there")
    differences = _parsed(name, project, "differences.csv", list[Difference])
    stages = stages_in(project.read("dvc.lock") or "")
    outdated = _outdated(stages)

    def optional(stage: str, kind: type[list[T]]) -> list[T]:
        file = OPTIONAL[stage]
        nothing = "[]" if file.endswith(".json") else ""
        return [] if stage in outdated else _parsed(name, project, file, kind, default=nothing)

    quality = optional("quality", list[Quality])
    identification = optional("identify", list[Identified])
    pairs = optional("verify_pairs", list[Listed])
    calibration = optional("calibrate", list[Calibrated])
    shown = ("", origin.condition)
    return Run(
        name=name,
        commit=project.commit,
        res=resolutions.pop(),
        origin=origin,
        params=_params(
            {stage: entry for stage, entry in stages.items() if stage not in outdated}, verification, origin.conditions
        ),
        verification=[row for row in verification if row.condition in shown],
        differences=[row for row in differences if row.condition in shown],
        quality=[row for row in quality if row.condition in shown],
        identification=[row for row in identification if row.condition in shown],
        calibration=[row for row in calibration if row.condition in shown],
        pairs=[row for row in pairs if row.condition in shown],
        outdated=[OPTIONAL[stage] for stage in outdated],
    )


def _outdated(stages: Stages) -> list[str]:
    """Return the stages in `OPTIONAL` that read other data than `evaluate`, according to dvc.lock.

    After `dvc exp run evaluate`, their files and params are still those of an earlier run.
    """

    def data(stage: str) -> dict[str, str]:
        deps = stages.get(stage, {}).get("deps", [])
        return {dep["path"]: dep.get("md5", "") for dep in deps if dep["path"].startswith("data/")}

    judged = data("evaluate")
    return [stage for stage in OPTIONAL if any(judged.get(path, md5) != md5 for path, md5 in data(stage).items())]


def _parsed(name: str, project: _Project, file: str, kind: type[T], default: str | None = None) -> T:
    """Return the content of a CSV or JSON file of metrics.

    Args:
        name: the name of the run.
        project: the commit or folder of the run.
        file: the name of the file in `METRICS`.
        kind: the type of the content; for a CSV, a list of rows.
        default: the text to parse if there is no such file.

    Raises:
        DataError: if there is neither a file nor a default, or the content is not of that type.
    """
    text = project.read(f"{METRICS}/{file}") or default
    if text is None:
        here = "`dvc exp run` in the root of the project, or `dvc repro` and commit its outputs"
        remedy = here if project.commit else "`dvc repro` there"
        raise DataError(f"{name}: has no {METRICS}/{file}; run {remedy}")
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


def _params(stages: Stages, verification: Sequence[Verified], conditions: Collection[str]) -> dict[str, Any]:
    """Return the params in dvc.lock, because params.yaml may have changed since the run.

    Args:
        stages: the stages in dvc.lock that belong to the run.
        verification: the rows that name the methods and judges of the run. For others, dvc.lock may still have stages
            with the params of earlier runs.
        conditions: the conditions of the run.
    """
    items = matrix_items({row.method for row in verification}, {row.judge for row in verification}, conditions)
    return locked_params(stages, {"", *items})


def matrix_items(methods: Collection[str], judges: Collection[str], conditions: Collection[str]) -> set[str]:
    """Return the names that DVC may put after the @ of matrix stages, including those of earlier versions."""
    pairs = [f"{method}-{judge}" for method in methods for judge in judges]
    named = {*methods, *judges, *pairs}
    return {*named, *conditions, *(f"{name}-{condition}" for name in named for condition in conditions)}


def locked_params(stages: Stages, items: Container[str]) -> dict[str, Any]:
    """Return the params that stages in dvc.lock ran with, by dotted names.

    Args:
        stages: the stages in dvc.lock.
        items: the matrix items to include; an empty name includes the stages without a matrix.
    """
    found: dict[str, Any] = {}
    for stage, entry in stages.items():
        if stage.partition("@")[2] in items:
            found |= leaves(entry.get("params", {}).get("params.yaml", {}))
    return found


def _find_project(name: str) -> _Project:
    if name == WORKSPACE:
        return _folder_project(Path())
    if Path(name).is_dir():
        return _folder_project(Path(name))
    named = [reference for reference in _experiments() if reference.rpartition("/")[2] == name]
    if len(named) > 1:
        raise DataError(f"{name}: {len(named)} experiments have this name; give a commit: {', '.join(named)}")
    sha = git("rev-parse", "--verify", "--quiet", f"{named[0] if named else name}^{{commit}}")
    if sha is None:
        raise DataError(f"{name}: there is no such experiment, commit or folder here; see `dvc exp list --all-commits`")
    return _commit_project(sha)


def _head_experiments() -> dict[str, _Project]:
    """Return the experiments that started from the current commit, by name."""
    head = git("rev-parse", "HEAD")
    found = _experiments(f"/{head[:2]}/{head[2:]}") if head else {}
    return {reference.rpartition("/")[2]: _commit_project(sha) for reference, sha in found.items()}


def _experiments(baseline: str = "") -> dict[str, str]:
    """Return the SHA of each experiment by its git reference, refs/exps/BA/SELINE.../NAME.

    DVC's own list, `dvc.repo.Repo.experiments.ls`, takes the repository's lock. When we tried it, it failed while
    another DVC command held the lock, and on a read-only file system. `dvc.api.exp_show` needs no lock, but takes 4 to
    7 seconds; git takes a few milliseconds.

    Args:
        baseline: the end of the references' folder, to list only the experiments that started from one commit.
    """
    listed = git("for-each-ref", "--format=%(refname) %(objectname)", f"refs/exps{baseline}") or ""
    found = dict(line.split() for line in listed.splitlines())
    return {name: sha for name, sha in found.items() if name.count("/") == 4}  # without DVC's internal refs/exps/exec


def _folder_project(folder: Path) -> _Project:
    """Return the project in a folder; the folder may also be its metrics folder, or a copy of that."""
    if not (folder / METRICS).is_dir() and folder.name == METRICS:
        folder = folder.parent

    def read(file: str) -> str | None:
        path = folder / (file if (folder / METRICS).is_dir() else file.removeprefix(f"{METRICS}/"))
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None

    return _Project("", read)


def _commit_project(sha: str) -> _Project:
    """Return the project in a commit, with the files in git and those in DVC's cache.

    `ftlgan compare` of five experiments took 6.4 s this way and 4.0 s with `git show`, because importing DVC is slow.
    """
    from dvc.api import DVCFileSystem  # pyright: ignore[reportPrivateUsage] - DVC documents it under this name
    from dvc.exceptions import DvcException

    files = DVCFileSystem(rev=sha, subrepos=True)
    root = PurePosixPath(git("rev-parse", "--show-prefix") or "")  # DVC reads a commit from the root of git

    def read(file: str) -> str | None:
        try:
            return str(files.read_text(str(root / file), encoding="utf-8", errors="replace"))
        except (FileNotFoundError, DvcException):  # DvcException if the file is missing and dvc.yaml is damaged
            return None

    return _Project(git("rev-parse", "--short", sha) or "", read)
