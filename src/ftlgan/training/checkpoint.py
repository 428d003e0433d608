"""A training's state on disk, from which it goes on as if it had not been killed."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ftlgan.errors import WeightsError, writing

KEY = "ftlgan-checkpoint"


def digest(params: Mapping[str, Any], files: Iterable[Path] = ()) -> str:
    """What tells one training from another, as 16 hexadecimal digits.

    Args:
        params: JSON's types only.
        files: by name and content.
    """
    found = hashlib.sha256(json.dumps(params, sort_keys=True).encode())
    for path in files:
        found.update(path.name.encode())
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]


@dataclass(frozen=True)
class Checkpoint:
    """A file for one training; a `digest` belongs into its name, so that no other training takes it."""

    path: Path
    every: int
    """Steps between two writings."""

    def write(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Replace the file by a new one. Killed meanwhile, it is the old one still.

        Args:
            tensors: by name.
            about: JSON's types only, and little: the format ends at 100 MB of it.

        Raises:
            DataError: if it can't be written.
        """
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        aside = self.path.with_suffix(f".{os.getpid()}.part")
        metadata = {KEY: json.dumps({"sha256": _sha256(own, about), **about})}
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for half in self.path.parent.glob(f"{self.path.stem}.*.part"):  # of a training that was killed
                half.unlink()
            try:
                save_file(own, aside, metadata)
                aside.replace(self.path)
            except SafetensorError as error:
                raise OSError(f"can't be written ({error})") from None
            finally:
                aside.unlink(missing_ok=True)

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was written last; None if nothing was.

        Raises:
            WeightsError: if it is not what was written.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                about: dict[str, Any] = json.loads((file.metadata() or {})[KEY])
                written = about.pop("sha256")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise WeightsError(f"{self.path}: is no whole checkpoint ({error}); {self._remedy}") from None
        if written != _sha256(tensors, about):
            raise WeightsError(f"{self.path}: its content is not what was written; {self._remedy}")
        return tensors, about

    def remove(self) -> None:
        """Once the training is done."""
        self.path.unlink(missing_ok=True)

    @property
    def _remedy(self) -> str:
        return "delete it, and training starts anew"


def _sha256(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    found = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
