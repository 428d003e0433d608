"""Reads git and DVC's files of the project in the working directory."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML, YAMLError

from ftlgan.params import leaves

Stages = dict[str, dict[str, Any]]
"""The entries of dvc.yaml or dvc.lock by the name of the stage."""


def git(*command: str) -> str | None:
    """Return the output of a git command, or None without git, a repository or a commit."""
    try:
        done = subprocess.run(["git", *command], capture_output=True, encoding="utf-8", errors="replace", check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def stages_in(source: Path | str) -> Stages:
    """Return the stages of a dvc.yaml or dvc.lock, given as a file or as its content; none if it can't be read."""
    try:
        return _parse_stages(source.read_text(encoding="utf-8") if isinstance(source, Path) else source)
    except (OSError, YAMLError, ValueError):  # ValueError: e.g. the invalid date 2026-99-99
        return {}


@cache
def _parse_stages(content: str) -> Stages:
    """Parse a dvc.yaml or dvc.lock. It is cached: parsing takes a quarter of a second, and is needed several times."""
    yaml: Any = YAML(typ="safe")
    tree = yaml.load(content)
    stages = tree.get("stages") if isinstance(tree, dict) else None
    if not isinstance(stages, dict):
        return {}
    return {name: entry for name, entry in stages.items() if isinstance(entry, dict)}


def stage_params(stage: str, item: str) -> list[str]:
    """Return the dotted names of the params of params.yaml that dvc.yaml declares for a stage.

    Args:
        stage: the name in dvc.yaml, without an item of its matrix.
        item: replaces each `${item.NAME}`.
    """
    declared: list[Any] = stages_in(Path("dvc.yaml")).get(stage, {}).get("params", [])
    return [_insert_item(name, item) for name in declared if isinstance(name, str)]  # a mapping names another file


def stage_deps(stage: str, item: str) -> list[Path]:
    """Return the dependencies, data and code, that dvc.yaml declares for a stage.

    Args:
        stage: the name in dvc.yaml, without an item of its matrix.
        item: replaces each `${item.NAME}`.
    """
    declared: list[str] = stages_in(Path("dvc.yaml")).get(stage, {}).get("deps", [])
    return [Path(_insert_item(path, item)) for path in declared]


def stage_metrics(stage: str) -> dict[str, float]:
    """Return the metrics in the files that dvc.yaml declares for a stage, as `dvc metrics show` names them."""
    metrics: dict[str, float] = {}
    for declared in stages_in(Path("dvc.yaml")).get(stage, {}).get("metrics", []):
        path = next(iter(declared)) if isinstance(declared, dict) else declared
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        metrics |= {name: float(value) for name, value in leaves(content) if isinstance(value, float | int)}
    return metrics


def locked_stages(params: Mapping[str, Any]) -> Stages:
    """Return the stages in dvc.lock that dvc.yaml has with these params.

    DVC does not remove others: `restore@gfpgan` stays when `gfpgan` is removed from `methods`.
    """
    declared, lists = stages_in(Path("dvc.yaml")), dict(leaves(params))

    def exists(name: str) -> bool:
        stage, _, item = name.partition("@")
        return stage in declared and item in _matrix_items(declared[stage].get("matrix", {}), lists)

    return {name: entry for name, entry in stages_in(Path("dvc.lock")).items() if exists(name)}


def upstream_stages(stage: str, locked: Stages) -> Stages:
    """Return the stages in dvc.lock that a stage depends on, directly or through others."""
    found: Stages = {}
    inputs = input_paths(stage)
    while inputs:
        new = {
            name: entry
            for name, entry in locked.items()
            if name not in {stage, *found} and any(overlaps(out["path"], inputs) for out in entry.get("outs", []))
        }
        found |= new
        inputs = [dep["path"] for entry in new.values() for dep in entry.get("deps", [])]
    return found


def input_paths(stage: str) -> list[str]:
    """Return the paths that dvc.yaml declares as deps of a stage. A template is cut to the folder before its `${`."""
    declared: list[str] = stages_in(Path("dvc.yaml")).get(stage.partition("@")[0], {}).get("deps", [])
    literal = [path.partition("${")[0].rpartition("/")[0] if "${" in path else path for path in declared]
    return [path for path in literal if path]


def overlaps(path: str, others: Iterable[str]) -> bool:
    """Tell whether a path equals one of others, is inside one of them, or contains one of them."""
    one, rest = PurePosixPath(path), map(PurePosixPath, others)
    return any(one.is_relative_to(other) or other.is_relative_to(one) for other in rest)


def _matrix_items(matrix: Mapping[str, Any], lists: Mapping[str, Any]) -> list[str]:
    """Return the items of a matrix as DVC names them. An empty matrix gives one empty name.

    Args:
        matrix: the values of each dimension: a list, or the `${NAME}` of a list in params.yaml.
        lists: the params by dotted names.
    """
    dimensions = [lists.get(values[2:-1], []) if isinstance(values, str) else values for values in matrix.values()]
    return ["-".join(map(str, combination)) for combination in product(*dimensions)]


def _insert_item(template: str, item: str) -> str:
    """Replace each `${item.NAME}`."""
    return re.sub(r"\$\{item\.\w+\}", lambda _: item, template)
