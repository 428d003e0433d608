"""What identifies a result: the commit, the DVC experiment, and the hashes of the inputs."""

import os
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML, YAMLError


def provenance(stage: str) -> dict[str, str]:
    """Return the tags that identify the result of a stage: code, experiment, and data.

    `git.dirty` says whether tracked files differ from the commit, apart from those that DVC itself rewrites while a
    pipeline runs: the data in dvc.lock are identified by the tags `dvc.<path>`, their MD5 there.
    """
    tags = {f"dvc.{name.lower()}": os.environ.get(f"DVC_{name}") for name in ("STAGE", "EXP_NAME", "EXP_BASELINE_REV")}
    tags["git.commit"] = git("rev-parse", "HEAD")
    changes = git(
        "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock", ":!metrics"
    )
    tags["git.dirty"] = None if changes is None else str(bool(changes)).lower()
    tags |= {f"dvc.{path}": md5 for path, md5 in input_hashes(os.environ.get("DVC_STAGE") or stage).items()}
    return {name: value for name, value in tags.items() if value}


def input_hashes(stage: str) -> dict[str, str]:
    """Return the MD5 that dvc.lock has of every output that a stage of dvc.yaml depends on, by path.

    The stage's own entry in dvc.lock is of an earlier time while it runs; those of the stages before it are fresh. A
    dependency is matched with the outputs inside of it (`data/probes` with `data/probes/bicubic`, of a matrix stage)
    and the output that it is inside of. Of a template only the folders before `${` count.
    """
    declared, locked = stages_in(Path("dvc.yaml")), stages_in(Path("dvc.lock"))
    dependencies: list[str] = declared.get(stage.partition("@")[0], {}).get("deps", [])
    literal = [path.partition("${")[0].rpartition("/")[0] if "${" in path else path for path in dependencies]
    inputs = [PurePosixPath(path) for path in literal if path]
    outputs = {out["path"]: out.get("md5", "") for entry in locked.values() for out in entry.get("outs", [])}
    return {
        path: md5
        for path, md5 in outputs.items()
        if any(PurePosixPath(path).is_relative_to(one) or one.is_relative_to(path) for one in inputs)
    }


def stages_in(file: Path) -> dict[str, dict[str, Any]]:
    yaml: Any = YAML(typ="safe")
    try:
        content: dict[str, Any] = yaml.load(file) or {}
    except (OSError, YAMLError):
        return {}
    return content.get("stages", {})


def git(*command: str) -> str | None:
    """Return what git prints; None without git, a repository or a commit."""
    try:
        return subprocess.run(["git", *command], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
