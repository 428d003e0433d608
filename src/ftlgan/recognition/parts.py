"""The unfinished work of `ftlgan embed`: embedded faces and rejects, in parts, in a folder next to the output.

Parts are written atomically. A file records the inputs of the parts. If the inputs have changed, the parts are deleted.
"""

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ftlgan.errors import DataError, writing
from ftlgan.faces import read_table, write_table
from ftlgan.locking import alone

ORIGIN = "origin.json"
REMOVED = ".removed.json"
"""The name of `ORIGIN` while the parts are removed, so that a run killed then leaves nothing that looks complete."""

SCHEMA = pa.schema(
    [
        pa.field("face_id", pa.string(), False),
        pa.field("identity", pa.string()),
        pa.field("split", pa.string()),
        pa.field("embedding", pa.list_(pa.float32())),
        pa.field("reason", pa.string()),
    ]
)
"""The rows of a part: faces with an embedding, or with the reason why there is none."""


class Parts:
    """The folder of the parts of one run."""

    def __init__(self, folder: Path) -> None:
        """Keep the parts up to the first that is missing or damaged, and delete the others."""
        self.folder = folder
        self._count = 0
        while self._is_whole(self._path(self._count)):
            self._count += 1
        kept = {self._path(number) for number in range(self._count)}
        for path in set(folder.glob("*part-*.parquet")) - kept:  # also hidden files of a killed run
            path.unlink()

    def read(self) -> pa.Table:
        """Return the rows of all parts, in order."""
        paths = map(self._path, range(self._count))
        return pa.concat_tables([SCHEMA.empty_table(), *(read_table(path) for path in paths)])

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write one more part.

        Raises:
            DataError: if it can't be written, e.g. because the disk is full.
        """
        write_table(self._path(self._count), pa.Table.from_pylist(list(rows), SCHEMA))
        self._count += 1

    def remove(self) -> None:
        """Delete the parts, and the file that records their inputs."""
        origin, removed = self.folder / ORIGIN, self.folder / REMOVED
        if origin.exists():
            origin.replace(removed)
        for path in self.folder.glob("*part-*.parquet"):
            path.unlink()
        removed.unlink(missing_ok=True)
        self._count = 0

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:05}.parquet"

    def _is_whole(self, path: Path) -> bool:
        try:
            return read_table(path).schema.equals(SCHEMA)
        except DataError:
            return False


@contextmanager
def open_parts(folder: Path, origin: dict[str, str]) -> Generator[Parts]:
    """Open the folder of parts, keep other runs out of it, and remove it at the end if it is empty.

    Args:
        folder: the folder of the parts; it need not exist.
        origin: the inputs of the embeddings, by the name that messages give them.

    Raises:
        DataError: if it is not a folder of parts, can't be made, or another run uses it.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file, but parts need a folder of this name; remove or rename it")
    others = {path.name for path in folder.glob("*") if not path.name.startswith(".")}
    if others and ORIGIN not in others and not (folder / REMOVED).exists():
        raise DataError(f"{folder}: has files that `ftlgan embed` did not write; remove it, or choose another output")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with alone(folder / ".lock", f"{folder}: is in use by another `ftlgan embed`; wait for it to end"):
            yield _parts(folder, origin)
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def _parts(folder: Path, origin: dict[str, str]) -> Parts:
    parts, file = Parts(folder), folder / ORIGIN
    if (folder / REMOVED).exists():
        parts.remove()
    if file.exists():
        changed = _changes(file, origin)
        if not changed:
            return parts
        print(f"{folder}: is from another run, with other {' and '.join(changed)}; starting again", file=sys.stderr)
        parts.remove()
    with writing(file):
        aside = file.with_name(f".{file.name}")
        aside.write_text(json.dumps(origin), encoding="utf-8", newline="\n")
        aside.replace(file)
    return parts


def _changes(file: Path, origin: dict[str, str]) -> list[str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return [what for what, value in origin.items() if found.get(what) != value]
    except (ValueError, AttributeError):
        return list(origin)
