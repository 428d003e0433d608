"""The fingerprint of a training: the params and the files that dvc.yaml lists for the stage `train`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ftlgan.engine import installed
from ftlgan.errors import DataError
from ftlgan.params import Params
from ftlgan.repository import git, stage_deps, stage_params
from ftlgan.training.distributed import World

LIBRARIES = ("numpy", "opencv-python", "pillow", "torch")
CODE = ("src", "stages")
"""The folders of dependencies that git tracks instead of DVC."""


@dataclass(frozen=True)
class Fingerprint:
    """Everything on which a training depends."""

    params: Mapping[str, Any]
    """The params of its stage, by dotted name."""
    files: Mapping[str, str]
    """The deps of its stage, data and code: a SHA-256 by path."""
    commit: str | None
    """The commit of the code, or None if the code is not committed."""
    platform: Mapping[str, str]
    """Library versions, processor and threads. They only affect the rounding of the result."""

    @cached_property
    def key(self) -> str:
        """A digest of params and files, 16 hexadecimal digits. It is equal for trainings with the same result."""
        return digest({"params": self.params, "files": self.files})

    def changed_params(self, earlier: "Fingerprint") -> list[str]:
        """List the params that differ from those of an earlier training, with both values."""
        names = sorted({*self.params, *earlier.params})
        values = {name: (earlier.params.get(name), self.params.get(name)) for name in names}
        return [f"{name} was {old}, is {new}" for name, (old, new) in values.items() if old != new]

    def changed_files(self, earlier: "Fingerprint") -> list[str]:
        """List the files that differ from those of an earlier training."""
        paths = sorted({*self.files, *earlier.files})
        return [path for path in paths if self.files.get(path) != earlier.files.get(path)]

    def changed_platform(self, earlier: "Fingerprint") -> list[str]:
        """List the differences between the platforms, with both values."""
        return [
            f"{name} {earlier.platform.get(name)}, now {value}"
            for name, value in self.platform.items()
            if earlier.platform.get(name) != value
        ]


def take_fingerprint(params: Params, model: str) -> Fingerprint:
    """Take the fingerprint of a model's training, from dvc.yaml in the working directory.

    Raises:
        DataError: if dvc.yaml has no params or deps for the stage, or one of these is missing.
    """
    tree, on_gpu = params.model_dump(by_alias=True), params.train.device == "cuda"
    names, files = stage_params("train", model), stage_deps("train", model)
    if not (names and files):
        raise DataError("dvc.yaml: has no params or no deps of the stage train; run `git checkout dvc.yaml`")
    if missing := [path for path in files if not path.exists()]:
        raise DataError(f"train: {missing[0]} is missing; run `dvc repro`")
    code = [str(path) for path in files if path.parts[0] in CODE]
    is_committed = git("--no-optional-locks", "status", "--porcelain", "--", *code) == ""
    return Fingerprint(
        params={name: _find(tree, name) for name in names},
        files={str(path): _sha256(path) for path in files},
        commit=git("rev-parse", "--short", "HEAD") if is_committed else None,
        platform={
            **{name: version(name) for name in LIBRARIES},
            "processor": torch.cuda.get_device_name() if on_gpu else torch.backends.cpu.get_cpu_capability(),
            "threads": str(torch.get_num_threads()),
        },
    )


def check_same_everywhere(own: Fingerprint, world: World) -> None:
    """Check that all processes have the same params, data, code and libraries, because each machine has its own copy.

    Args:
        own: the fingerprint of this process.
        world: the processes.

    Raises:
        DataError: in all processes, if one of them has others.
    """
    (first, here), *others = world.from_all((own, installed()))
    for rank, (other, there) in enumerate(others, 1):
        changed = [*other.changed_params(first), *other.changed_files(first)]
        changed += [f"{name} was {here[name]}, is {there[name]}" for name in here if there[name] != here[name]]
        if changed:
            raise DataError(
                f"train: process {rank} of {world.size} does not have the same as process 0: {'; '.join(changed)}; run "
                "`git pull` and `dvc pull` on its machine, install requirements.lock, and start all of them again"
            )


def check_unchanged(begun: Fingerprint, params: Params, model: str) -> None:
    """Check that the params and the data have not changed since a training began.

    DVC records the params and data at the end of a stage. A second `dvc exp run` during the training writes its own
    into the workspace before DVC refuses it.

    Args:
        begun: the fingerprint at the start of the training.
        params: the current params.
        model: name of the model.

    Raises:
        DataError: if they have changed.
    """
    now = take_fingerprint(params, model)
    data = [path for path in now.changed_files(begun) if Path(path).parts[0] not in CODE]
    if changed := [*now.changed_params(begun), *(f"{path} has changed" for path in data)]:
        raise DataError(
            f"train: its params or data changed while it ran: {'; '.join(changed)}; change them back and run again, "
            "which resumes the finished training"
        )


def params_digest(params: Params, model: str) -> str:
    """Return a digest of the params of a model's training, for the metadata of its weights."""
    sections = {"res", "degradation", "augmentation", "generator", "discriminator"}
    return digest(
        {
            **params.model_dump(include=sections),
            "losses": params.losses[model].model_dump(),
            "train": params.train.model_dump(exclude={"checkpoint"}),
            "margin": params.triplets.margin,
        }
    )


def digest(content: Mapping[str, Any]) -> str:
    """Return a digest of JSON values, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _find(tree: dict[str, Any], name: str) -> Any:
    """Return the value of a dotted name in nested mappings."""
    return reduce(lambda values, key: values[key], name.split("."), tree)


def _sha256(path: Path) -> str:
    """Hash a file, or the names and the contents of the files of a folder."""
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            found.update(file.name.encode())
            with file.open("rb") as stream:
                found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()
