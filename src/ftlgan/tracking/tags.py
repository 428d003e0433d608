"""The tags that identify a result in MLflow: the commit, the DVC experiment, and the hashes of the inputs."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ftlgan.repository import Stages, git, stages_in, upstream_stages

EXECUTED, RESTORED, EITHER = "executed", "restored", "executed or restored"
LOGGED = ("train", "validate", "evaluate", "quality")
"""The stages whose executions are logged."""
RAW = "data/raw"
"""The photos of an experiment."""
CODE = ("dvc.yaml", "src", "stages")
"""The paths whose uncommitted changes start another experiment."""


def identifying_tags() -> dict[str, str]:
    """Return the tags that identify the execution of a stage: its name in dvc.yaml, the code, and DVC's experiment.

    The tag `git.dirty` tells whether tracked files differ from the commit, except those that DVC rewrites while a
    pipeline runs: `inputs` identifies the data.
    """
    stage = os.environ.get("DVC_STAGE")
    return ({"dvc.stage": stage} if stage else {}) | origin()


def inputs(stage: str, locked: Stages) -> dict[str, dict[str, Any]]:
    """Return the `state` and the MD5 of the `outputs` in dvc.lock of each stage that one depends on, also indirectly.

    DVC has brought these stages up to date, but does not tell which of them it ran. A stage is RESTORED (unchanged or
    from the run cache) if it would have logged its own execution, or if its entry in dvc.lock equals that in the
    commit. Every other stage is EITHER.

    Args:
        stage: the name that DVC gives to the stage.
        locked: the stages that `ftlgan.repository.locked_stages` returned.
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
    """Return whether executions of a stage are runs in MLflow."""
    return stage.partition("@")[0] in LOGGED


def experiment(params: Mapping[str, str], rests_on: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return `id`, `name` and `tags` of the experiment that an execution of a stage belongs to.

    A DVC experiment is identified by its name, the commit that it starts from, and the params. A plain `dvc repro` has
    no name; it is identified by the commit, the changes of the code since then, the photos, and the params. So a
    resumed experiment stays the same, and two clones that run the same have the same experiment. If you edit the code
    or commit anything between two stages, the next stage starts another experiment.

    Each of the four stages that this one depends on has a tag `stage.<name>`. The outputs of other stages may be from
    an earlier experiment, so these stages have no tag.

    Args:
        params: the params by dotted names.
        rests_on: the stages that `inputs` returned.
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
    """Return DVC's name of the stage that is executed, with its matrix item; outside DVC, return `stage`."""
    return os.environ.get("DVC_STAGE") or stage
