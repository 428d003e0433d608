"""The tags of MLflow that identify a result: the commit, the DVC experiment, and the hashes of the inputs."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ftlgan.repository import Stages, git, input_paths, overlaps, stages_in, upstream_stages

EXECUTED, RESTORED, EITHER = "executed", "restored", "executed or restored"
LOGGED = ("train", "validate", "evaluate", "quality")
"""The stages that tracking sees run."""
RAW = "data/raw"
"""The photos of an experiment."""
CODE = ("dvc.yaml", "src", "stages")
"""The paths whose changes since the commit make another experiment."""


def identifying_tags(stage: str, locked: Stages) -> dict[str, str]:
    """Return the tags that identify the result of a stage: code, experiment, and data.

    The tag `git.dirty` tells whether tracked files differ from the commit. The files that DVC itself rewrites while a
    pipeline runs don't count: the tags `dvc.<path>` identify the data in dvc.lock by their MD5.

    Args:
        stage: the name in dvc.yaml, used where DVC does not give it.
        locked: what `ftlgan.repository.locked_stages` returned.
    """
    tags = {"dvc.stage": os.environ.get("DVC_STAGE")}
    return (
        {name: value for name, value in tags.items() if value} | origin() | input_hashes(executed_stage(stage), locked)
    )


def experiment(stage: str, params: Mapping[str, str], locked: Stages) -> dict[str, Any]:
    """Return `id`, `name` and `tags` of the experiment that an execution of a stage belongs to.

    The name of an experiment of DVC and the commit that it starts from identify it. A plain `dvc repro` has no name:
    the commit, the changes of the code since then, and the photos identify it. The params belong to the identity of
    both. So an experiment that was killed and is resumed stays the same one, and two clones that run the same have the
    same one. If you edit the code or commit anything between two stages, the next stage starts another experiment.

    Each stage that this one depends on, directly or not, has a tag `stage.<name>`, because DVC has brought it up to
    date. What other stages have left may be of an earlier experiment, so they have no tag. DVC does not say what it
    ran. A stage is RESTORED, unchanged or from the run cache, if it would have logged its execution itself, or if its
    entry in dvc.lock is the one in the commit; every other stage is EITHER.
    """
    name, baseline = (os.environ.get(f"DVC_EXP_{part}") for part in ("NAME", "BASELINE_REV"))
    upstream = upstream_stages(executed_stage(stage), locked)
    outputs = hashes(upstream)
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
        for other, entry in upstream.items()
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
    """Return a tag with the MD5 in dvc.lock for every output that a stage of dvc.yaml depends on.

    While the stage runs, its own entry in dvc.lock is that of an earlier execution; those of its upstream stages are
    fresh. A dependency matches the outputs inside it (`data/probes` matches `data/probes/bicubic/sface` of a matrix
    stage) and the output that contains it.
    """
    inputs = input_paths(stage)
    return {tag: md5 for tag, md5 in hashes(locked).items() if overlaps(tag.removeprefix("dvc."), inputs)}


def hashes(stages: Stages) -> dict[str, str]:
    """Return a tag with the MD5 for every output of stages in dvc.lock."""
    return {f"dvc.{out['path']}": out.get("md5", "") for entry in stages.values() for out in entry.get("outs", [])}


def executed_stage(stage: str) -> str:
    """Return the name that DVC gives to the stage that it executes, with the item of its matrix, or else `stage`."""
    return os.environ.get("DVC_STAGE") or stage
