"""What identifies a result: the commit, the DVC experiment, and the hashes of the inputs."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML, YAMLError

from ftlgan.params import leaves

EXECUTED, RESTORED, EITHER = "executed", "restored", "executed or restored"
LOGGED = ("train", "validate", "evaluate", "quality")
"""The stages that tracking sees run."""
RAW = "data/raw"
"""The photos of an experiment."""
CODE = ("dvc.yaml", "src", "stages")

Stages = dict[str, dict[str, Any]]


def identifying_tags(stage: str, locked: Stages) -> dict[str, str]:
    """Return the tags that identify the result of a stage: code, experiment, and data.

    `git.dirty` says whether tracked files differ from the commit, apart from those that DVC itself rewrites while a
    pipeline runs: the data in dvc.lock are identified by the tags `dvc.<path>`, their MD5 there.

    Args:
        stage: its name in dvc.yaml where DVC does not tell.
        locked: what `locked_stages` returned.
    """
    tags = {"dvc.stage": os.environ.get("DVC_STAGE")}
    return {name: value for name, value in tags.items() if value} | origin() | input_hashes(name_of(stage), locked)


def experiment(stage: str, params: Mapping[str, str], locked: Stages) -> dict[str, Any]:
    """Return `id`, `name` and `tags` of the experiment that an execution of a stage belongs to.

    An experiment of DVC is its name and the commit that it starts from. A plain `dvc repro` has no name: it is the
    commit, what the code differs from it, and the photos. To either belong its params. So an experiment that was
    killed and is run on stays one, and so do two clones that run the same; code that is edited, or anything that is
    committed, between two stages makes another one from the next stage on.

    A tag `stage.<name>` is there for each stage that this one depends on, however far up, because DVC has brought
    those up to date. What other stages have left may be of an earlier experiment, and is not mentioned. DVC does not
    say what it ran, so RESTORED, unchanged or from the run cache, is here every stage that would have logged its
    execution itself, and every other one that dvc.lock has as the commit has it; the rest is EITHER.
    """
    name, baseline = (os.environ.get(f"DVC_EXP_{part}") for part in ("NAME", "BASELINE_REV"))
    before = stages_before(name_of(stage), locked)
    outputs = hashes(before)
    tags = origin()
    if name:
        identity = [name, baseline]
    else:
        identity = [tags.get("git.commit"), git("diff", "HEAD", "--", *CODE), outputs.get(f"dvc.{RAW}")]
        dirty = "-dirty" if tags.get("git.dirty") == "true" else ""
        name = tags["git.commit"][:7] + dirty if "git.commit" in tags else "dvc repro"
    committed = stages_in(git("show", f"{baseline or 'HEAD'}:./dvc.lock") or "")
    states = {
        f"stage.{other}": RESTORED if other.partition("@")[0] in LOGGED or entry == committed.get(other) else EITHER
        for other, entry in before.items()
    }
    key = json.dumps([*identity, sorted(params.items())]).encode()
    return {"id": hashlib.sha256(key).hexdigest()[:32], "name": name, "tags": tags | outputs | states}


def origin() -> dict[str, str]:
    """Return the tags that all stages of an experiment have."""
    tags = {f"dvc.{name.lower()}": os.environ.get(f"DVC_{name}") for name in ("EXP_NAME", "EXP_BASELINE_REV")}
    tags["git.commit"] = git("rev-parse", "HEAD")
    changes = git(
        "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock", ":!metrics"
    )
    tags["git.dirty"] = None if changes is None else str(bool(changes)).lower()
    return {name: value for name, value in tags.items() if value}


def input_hashes(stage: str, locked: Stages) -> dict[str, str]:
    """Return tags with the MD5 that dvc.lock has of every output that a stage of dvc.yaml depends on.

    The stage's own entry in dvc.lock is of an earlier time while it runs; those of the stages before it are fresh. A
    dependency is matched with the outputs inside of it (`data/probes` with `data/probes/bicubic`, of a matrix stage)
    and the output that it is inside of.
    """
    inputs = dependencies(stage)
    return {tag: md5 for tag, md5 in hashes(locked).items() if touches(tag.removeprefix("dvc."), inputs)}


def stages_before(stage: str, locked: Stages) -> Stages:
    """Return the stages in dvc.lock that a stage depends on, directly or through others."""
    found: Stages = {}
    inputs = dependencies(stage)
    while inputs:
        new = {
            name: entry
            for name, entry in locked.items()
            if name not in {stage, *found} and any(touches(out["path"], inputs) for out in entry.get("outs", []))
        }
        found |= new
        inputs = [dep["path"] for entry in new.values() for dep in entry.get("deps", [])]
    return found


def locked_stages(params: Mapping[str, Any]) -> Stages:
    """Return the stages in dvc.lock, but for those that dvc.yaml does not have, or not with these params.

    DVC leaves them there: `restore@gfpgan` when `gfpgan` is no longer among `methods`.
    """
    declared, values_of = stages_in(Path("dvc.yaml")), dict(leaves(params))

    def items(stage: str) -> list[str]:
        values = next(iter(declared[stage].get("matrix", {"": [""]}).values()))
        return values_of.get(values[2:-1], []) if isinstance(values, str) else values  # `${recognition.judges}`

    def exists(name: str) -> bool:
        stage, _, item = name.partition("@")
        return stage in declared and item in items(stage)

    return {name: entry for name, entry in stages_in(Path("dvc.lock")).items() if exists(name)}


def dependencies(stage: str) -> list[str]:
    """Return the paths that dvc.yaml has as dependencies of a stage; of a template only the folders before `${`."""
    declared: list[str] = stages_in(Path("dvc.yaml")).get(stage.partition("@")[0], {}).get("deps", [])
    literal = [path.partition("${")[0].rpartition("/")[0] if "${" in path else path for path in declared]
    return [path for path in literal if path]


def hashes(stages: Stages) -> dict[str, str]:
    """Return a tag with its MD5 for every output of stages in dvc.lock."""
    return {f"dvc.{out['path']}": out.get("md5", "") for entry in stages.values() for out in entry.get("outs", [])}


def touches(path: str, others: list[str]) -> bool:
    one, rest = PurePosixPath(path), map(PurePosixPath, others)
    return any(one.is_relative_to(other) or other.is_relative_to(one) for other in rest)


def headline(stage: str) -> dict[str, float]:
    """Return the figures in the metrics files that dvc.yaml declares for a stage, as `dvc metrics show` names them."""
    figures: dict[str, float] = {}
    for declared in stages_in(Path("dvc.yaml")).get(name_of(stage), {}).get("metrics", []):
        path = next(iter(declared)) if isinstance(declared, dict) else declared
        try:
            content = json.loads(Path(path).read_text())
        except (OSError, ValueError):
            continue
        figures |= {name: float(value) for name, value in leaves(content) if isinstance(value, float | int)}
    return figures


def name_of(stage: str) -> str:
    return os.environ.get("DVC_STAGE") or stage


def stages_in(source: Path | str) -> Stages:
    """Return the stages of a dvc.yaml or dvc.lock, a file or its content; none where it can't be read."""
    yaml: Any = YAML(typ="safe")
    try:
        content = yaml.load(source)
    except (OSError, YAMLError, ValueError):  # ValueError: 2026-99-99 is no date
        return {}
    return content.get("stages", {}) if isinstance(content, dict) else {}


def git(*command: str) -> str | None:
    """Return what git prints; None without git, a repository or a commit."""
    try:
        done = subprocess.run(["git", *command], capture_output=True, text=True, errors="replace", check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
