"""The checkpoint: the state of a training on disk, from which a killed training resumes with the same result."""

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
    """A file is not a complete checkpoint. The message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one training, in a file that no other training uses.

    Args:
        folder: folder of all checkpoints; created when needed.
        model: name of the model, part of the file's name.
        fingerprint: fingerprint of the training; its key is part of the file's name.
    """

    folder: Path
    model: str
    fingerprint: Fingerprint

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.folder / f"{self.model}-{self.fingerprint.key}.safetensors"

    def write(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Replace the file atomically.

        Args:
            tensors: tensors by name.
            numbers: JSON values, at most 100 MB, which is a limit of the format.

        Raises:
            DataError: if it can't be written.
        """
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        aside = self.path.with_suffix(f".{os.getpid()}.part")
        content = {"sha256": _sha256(own, numbers), "numbers": numbers, "fingerprint": asdict(self.fingerprint)}
        with writing(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
            for half in self.folder.glob(f"{self.path.stem}.*.part"):  # from a killed training
                half.unlink()
            try:
                save_file(own, aside, {METADATA: json.dumps(content)})
                aside.replace(self.path)
            except SafetensorError as error:
                raise OSError(f"can't be written ({error})") from None
            finally:
                aside.unlink(missing_ok=True)

    def read(self, report: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and numbers that were written last, or None if there are none.

        A damaged file is removed, and a line reports it. Another line reports a change of the platform.

        Args:
            report: False switches the lines off. Of several processes, only the first should report.
        """
        try:
            with safe_open(self.path, "pt") as file:
                digest, numbers, theirs = _read_metadata(file)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            if digest != _sha256(tensors, numbers):
                raise DamagedError("its digest does not match its content")
        except FileNotFoundError:
            return None
        except (SafetensorError, DamagedError) as error:
            self.path.unlink(missing_ok=True)
            _say(f"{self.path}: is not a complete checkpoint ({error}); removed, training starts again", report)
            return None
        if changed := self.fingerprint.changed_platform(theirs):
            _say(
                f"{self.path}: was made on another platform ({'; '.join(changed)}); training resumes from it, but the "
                "result may differ in its last digits",
                report,
            )
        return tensors, numbers

    def remove(self) -> None:
        """Remove the file, after the training has ended."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Lock the file, and report in one line each why other checkpoints of the model are not used.

        Files that can never be used again (damaged, or from another version of ftlgan) are removed at once. Those of
        code that was never committed and has changed are removed when this training is done, so that you can restore
        the code until then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _say(f"{self.path}: the same training runs in another process; this one waits for it to end")
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
        """Report why a checkpoint is not used, and return whether to remove it when this training is done."""
        lock = FileLock(path.with_suffix(".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False  # its training is running
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
            _say(f"{path}: is not used: it is not a complete checkpoint of this version ({error}); removed")
            return False
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _why_not(self, theirs: Fingerprint) -> tuple[str, bool]:
        """Return why a checkpoint is not this training's, with the remedy, and whether its code is lost."""
        params, files = self.fingerprint.changed_params(theirs), self.fingerprint.changed_files(theirs)
        code = [file for file in files if Path(file).parts[0] in CODE]
        if code and theirs.commit:
            return f"{_shortened(code)} has changed since; check out {theirs.commit} to resume from it", False
        if code:
            remedy = "the old code was not committed; restore it, or this checkpoint is removed when training is done"
            return f"{_shortened(code)} has changed since, and {remedy}", True
        if params:
            return f"{_shortened(params)}; set it back to resume from it", False
        return f"{_shortened(files)} has changed since; restore it to resume from it", False


def _read_metadata(file: Any) -> tuple[str, dict[str, Any], Fingerprint]:
    """Return the digest, the numbers and the fingerprint in a checkpoint's metadata."""
    try:
        content = json.loads((file.metadata() or {})[METADATA])
        return content["sha256"], content["numbers"], Fingerprint(**content["fingerprint"])
    except (KeyError, ValueError, TypeError):
        raise DamagedError("its metadata is not that of a checkpoint") from None


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
