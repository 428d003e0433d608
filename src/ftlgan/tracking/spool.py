"""The log of a run on disk, where it waits until it is delivered."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

PENDING = ".mlflow-pending"


class Spool:
    """The log of one run on disk: `events.jsonl` and `artifacts/`; `delivered.json` tells how far MLflow has it.

    The process that writes the log, or delivers it for a dead process, holds the lock next to the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.lock = FileLock(folder.with_suffix(".lock"))
        self._events = folder / "events.jsonl"
        self._delivered = folder / "delivered.json"

    @property
    def last_write(self) -> int:
        """The time of the last event, milliseconds since 1970."""
        return int(self._events.stat().st_mtime * 1000)

    def create(self, start: dict[str, Any]) -> None:
        self.lock.acquire()  # before the folder exists, so that no process mistakes it for one of a dead process
        self.folder.mkdir()
        self.append(start)

    def append(self, *events: dict[str, Any]) -> None:
        with self._events.open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(json.dumps(event) + "\n" for event in events))

    def keep(self, path: Path, folder: str = "") -> None:
        """Append a copy of an artifact, because the stage may change the file or DVC remove it."""
        copy = self.folder / "artifacts" / folder / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, copy, dirs_exist_ok=True)
        else:
            shutil.copy2(path, copy)
        self.append({"artifact": copy.relative_to(self.folder).as_posix()})

    def write(self, name: str, text: str) -> None:
        """Append a text as an artifact."""
        path = self.folder / "artifacts" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        self.append({"artifact": path.relative_to(self.folder).as_posix()})

    def events(self, position: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the events from a byte position on, each with the position of its end."""
        if not self._events.exists():
            return
        with self._events.open("rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):  # cut short when its process was killed
                    return
                position += len(line)
                yield json.loads(line), position

    def delivered(self, run_id: str) -> int:
        """Return the position up to which this MLflow run has the log; 0 for another run."""
        try:
            note = json.loads(self._delivered.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # ValueError: the machine crashed while it was written
            return 0
        return note["position"] if note["run_id"] == run_id else 0

    def note_delivered(self, run_id: str, position: int) -> None:
        new = self._delivered.with_suffix(".new")
        new.write_text(json.dumps({"run_id": run_id, "position": position}), encoding="utf-8", newline="\n")
        new.replace(self._delivered)

    def remove(self) -> None:
        self._events.unlink(missing_ok=True)  # first, because a folder without events is not delivered again
        shutil.rmtree(self.folder)
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)


def repository_root() -> Path:
    """Return the root of the DVC repository around the working directory; without one, the working directory."""
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)


def now() -> int:
    """Return the current time in milliseconds since 1970, as MLflow counts."""
    return time.time_ns() // 1_000_000
