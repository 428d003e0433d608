"""What identifies a result in MLflow: the commit, the DVC experiment, and the hashes of the inputs."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ftlgan.repository import Stages, git, stages_in, upstream_stages

EXECUTED, RESTORED, EITHER = "executed", "restored", "executed or restored"
LOGGED = ("train", "validate", "evaluate", "quality")
"""The stages that tracking sees run."""
RAW = "data/raw"
"""The photos of an experiment."""
CODE = ("dvc.yaml", "src", "stages")
"""The paths whose changes since the commit make another experiment."""


def identifying_tags() -> dict[str, str]:
    """Return the tags that identify the execution of a stage: its name in dvc.yaml, the code, and DVC's experiment.

    The tag `git.dirty` tells whether tracked files differ from the commit. The files that DVC itself rewrites while a
    pipeline runs don't count: `inputs` identifies the data.
    """
    stage = os.environ.get("DVC_STAGE")
    return ({"dvc.stage": stage} if stage else {}) | origin()


def inputs(stage: str, locked: Stages) -> dict[str, dict[str, Any]]:
    """Return the `state` of each stage that one depends on, directly or not, and the MD5 of its `outputs` in dvc.lock.

    DVC has brought them up to date, but does not say what it ran. A stage is RESTORED, unchanged or from the run cache,
    if it would have logged its execution itself, or if its entry in dvc.lock is the one in the commit; every other
    stage is EITHER.

    Args:
        stage: the name that DVC gives it.
        locked: what `ftlgan.repository.locked_stages` returned.
    """
    baseline = os.environ.get("DVC_EXP_BASELINE_REV") or "HEAD"
    committed = stages_in(git("show", f"{baseline}:./dvc.lock") or "")

    def state(name: str, entry: dict[str, Any]) -> str:
        return RESTORED if is_logged(name) or entry == committed.get(name) else EITHER

    return {
        name: {
            "state": state(name, entry),
            "outputs": {out["path"]: out.get("md5", "") for out in entry.get("outs", [])},
        }
        for name, entry in upstream_stages(stage, locked).items()
    }


def is_logged(stage: str) -> bool:
    """Tell whether an execution of a stage is a run of MLflow."""
    return stage.partition("@")[0] in LOGGED


def experiment(params: Mapping[str, str], rests_on: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return `id`, `name` and `tags` of the experiment that an execution of a stage belongs to.

    The name of an experiment of DVC and the commit that it starts from identify it. A plain `dvc repro` has no name:
    the commit, the changes of the code since then, and the photos identify it. The params belong to the identity of
    both. So an experiment that was killed and is resumed stays the same one, and two clones that run the same have the
    same one. If you edit the code or commit anything between two stages, the next stage starts another experiment.

    Each of the four stages that this one depends on has a tag `stage.<name>`. What other stages have left may be of an
    earlier experiment, so they have no tag.

    Args:
        params: by dotted names.
        rests_on: what `inputs` returned.
    """
    name, baseline = (os.environ.get(f"DVC_EXP_{part}") for part in ("NAME", "BASELINE_REV"))
    tags = origin()
    if name:
        identity = [name, baseline]
    else:
        photos = next((entry["outputs"][RAW] for entry in rests_on.values() if RAW in entry["outputs"]), None)
        identity = [tags.get("git.commit"), git("diff", "HEAD", "--", *CODE), photos]
        dirty = "-dirty" if tags.get("git.dirty") == "true" else ""
        name = tags["git.commit"][:7] + dirty if "git.commit" in tags else "dvc repro"
    states = {f"stage.{other}": entry["state"] for other, entry in rests_on.items() if is_logged(other)}
    key = json.dumps([*identity, sorted(params.items())]).encode()
    return {"id": hashlib.sha256(key).hexdigest()[:32], "name": name, "tags": tags | states}


def origin() -> dict[str, str]:
    """Return the tags that all stages of an experiment have."""
    tags = {f"dvc.{name.lower()}": os.environ.get(f"DVC_{name}") for name in ("EXP_NAME", "EXP_BASELINE_REV")}
    tags["git.commit"] = git("rev-parse", "HEAD")
    changes = git(
        "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock", ":!metrics"
    )
    tags["git.dirty"] = None if changes is None else str(bool(changes)).lower()
    return {name: value for name, value in tags.items() if value}


def executed_stage(stage: str) -> str:
    """Return the name that DVC gives to the stage that it executes, with the item of its matrix, or else `stage`."""
    return os.environ.get("DVC_STAGE") or stage
