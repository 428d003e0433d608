"""A training's state on disk, from which it goes on as if it had not been killed."""

import hashlib
import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ftlgan.errors import writing
from ftlgan.training.fingerprint import CODE, Fingerprint

METADATA = "ftlgan-checkpoint"


class DamagedError(Exception):
    """A file is no whole checkpoint; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one training: a file that no other training takes.

    Args:
        folder: of the checkpoints of all trainings; made when it is needed.
        model: names the file.
        fingerprint: of the training; its key is part of the file's name.
    """

    folder: Path
    model: str
    fingerprint: Fingerprint

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.model}-{self.fingerprint.key}.safetensors"

    def write(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Replace the file by a new one. Killed meanwhile, it is the old one still.

        Args:
            tensors: by name.
            numbers: JSON's types only, and little: the format ends at 100 MB of it.

        Raises:
            DataError: if it can't be written.
        """
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        aside = self.path.with_suffix(f".{os.getpid()}.part")
        content = {"sha256": _sha256(own, numbers), "numbers": numbers, "fingerprint": asdict(self.fingerprint)}
        with writing(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
            for half in self.folder.glob(f"{self.path.stem}.*.part"):  # of a training that was killed
                half.unlink()
            try:
                save_file(own, aside, {METADATA: json.dumps(content)})
                aside.replace(self.path)
            except SafetensorError as error:
                raise OSError(f"can't be written ({error})") from None
            finally:
                aside.unlink(missing_ok=True)

    def read(self, report: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and numbers that were written last; None where there are none.

        A damaged file is removed. A line says so, and another one where the platform has changed.

        Args:
            report: False in all but the first of several processes, which would say the same.
        """
        try:
            with safe_open(self.path, "pt") as file:
                digest, numbers, theirs = _read_metadata(file)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            if digest != _sha256(tensors, numbers):
                raise DamagedError("its content is not what was written")
        except FileNotFoundError:
            return None
        except (SafetensorError, DamagedError) as error:
            self.path.unlink(missing_ok=True)
            _say(f"{self.path}: is no whole checkpoint ({error}): removed, training starts anew", report)
            return None
        if changed := self.fingerprint.changed_platform(theirs):
            _say(
                f"{self.path}: was made on another platform ({'; '.join(changed)}); training goes on from it, and the "
                "result may differ in its last digits",
                report,
            )
        return tensors, numbers

    def remove(self) -> None:
        """Remove the file, once the training is done."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Keep other trainings from the file, and say in a line each why others of the model are not used.

        What can never be used again is removed at once: a damaged file, or one of another version of ftlgan. What is of
        code that has changed since and was never committed is removed when this training is done, so that the code can
        be brought back until then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _say(f"{self.path}: the same training is under way in another process; this one waits for it to end")
            lock.acquire()
        try:
            superseded = [path for path in self._others() if self._report(path)]
            yield
            if not self.path.exists():  # the training is done
                for path in superseded:
                    path.unlink(missing_ok=True)
        finally:
            if not self.path.exists():
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _others(self) -> list[Path]:
        """Return the checkpoints of other trainings of the model, and those of an earlier version of ftlgan."""
        key = "[0-9a-f]" * 16
        found = [*self.folder.glob(f"{self.model}-{key}.safetensors"), *self.folder.glob(f"{key}.safetensors")]
        return sorted(path for path in found if path != self.path)

    def _report(self, path: Path) -> bool:
        """Say why a checkpoint is not used, and return whether it is to be removed when this training is done."""
        lock = FileLock(path.with_suffix(".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False  # its training is under way
        try:
            with safe_open(path, "pt") as file:
                _, _, theirs = _read_metadata(file)
            reason, superseded = self._why_not(theirs)
            _say(f"{path}: is not used: {reason}")
            return superseded
        except FileNotFoundError:
            return False  # its training has just ended
        except (SafetensorError, DamagedError) as error:
            path.unlink(missing_ok=True)
            _say(f"{path}: is not used: it is no whole checkpoint of this version ({error}): removed")
            return False
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _why_not(self, theirs: Fingerprint) -> tuple[str, bool]:
        """Return why a checkpoint is not this training's and what to do, and whether it is of code that is lost."""
        params, files = self.fingerprint.changed_params(theirs), self.fingerprint.changed_files(theirs)
        code = [file for file in files if Path(file).parts[0] in CODE]
        if code and theirs.commit:
            return f"{_shortened(code)} has changed since; check out {theirs.commit} to go on from it", False
        if code:
            remedy = "that was never committed; bring it back, or the checkpoint is removed when this training is done"
            return f"{_shortened(code)} has changed since, and {remedy}", True
        if params:
            return f"{_shortened(params)}; set it back to go on from it", False
        return f"{_shortened(files)} has changed since; bring it back to go on from it", False


def _read_metadata(file: Any) -> tuple[str, dict[str, Any], Fingerprint]:
    """Return the digest, the numbers and the fingerprint that a file of ours holds."""
    try:
        content = json.loads((file.metadata() or {})[METADATA])
        return content["sha256"], content["numbers"], Fingerprint(**content["fingerprint"])
    except (KeyError, ValueError, TypeError):
        raise DamagedError("its metadata is not ours") from None


def _shortened(names: list[str]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def _say(line: str, report: bool = True) -> None:
    if report:
        print(line, file=sys.stderr, flush=True)


def _sha256(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> str:
    found = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
