"""The output folder of `ftlgan restore`. An interrupted run resumes where it stopped, and ends with the same files.

    faces.csv       a row for each face: its place in the photo, its size, and the generator that restored it
    rejects.csv     a row for each photo without a usable face, with the reason
    faces/          each restored face, 112x112
    small/          the inputs of the generator for the same faces
    photos/         the photos with the restored faces in them
    sheet-1.png     faces side by side: the input, bicubic, restored
    restore.json    the settings, so that runs with other settings do not mix their files with these

A photo is done when its last file or its row in rejects.csv exists. Rows of faces are written before that.
"""

import csv
import io
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftlgan.errors import DataError, writing
from ftlgan.locking import alone

FACES, REJECTS, SETTINGS = "faces.csv", "rejects.csv", "restore.json"
_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
FACE_COLUMNS = (
    *("photo", "face", "restored", "size", "model", "score", "x", "y", "width", "height", "turns"),
    *(f"{point}_{axis}" for point in _POINTS for axis in "xy"),
)
REJECT_COLUMNS = ("photo", "reason")


class OutputFolder:
    """A folder of results that grows photo by photo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rejected: set[str] = {row["photo"] for row in _rows(folder / REJECTS, REJECT_COLUMNS)}

    def path(self, kind: str, name: Path, ending: str) -> Path:
        """Return the path of an output.

        Args:
            kind: `faces`, `small` or `photos`.
            name: the name of the photo.
            ending: the text to append to the name, such as `-1.png`.
        """
        return self.folder / kind / name.with_name(name.name + ending)

    @property
    def rejected(self) -> frozenset[str]:
        """The photos that can't be used, including those of earlier runs."""
        return frozenset(self._rejected)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file atomically.

        Raises:
            DataError: if it can't be written, for example because the disk is full.
        """
        aside = path.with_name(f".{path.name}.part")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content)
            aside.replace(path)

    def add_faces(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows of `FACE_COLUMNS` to faces.csv."""
        self._append(FACES, FACE_COLUMNS, rows)

    def reject(self, photo: str, reason: str) -> None:
        """Add a row to rejects.csv."""
        self._append(REJECTS, REJECT_COLUMNS, [{"photo": photo, "reason": reason}])
        self._rejected.add(photo)

    def faces(self) -> list[dict[str, str]]:
        """Return the rows of faces.csv."""
        return _rows(self.folder / FACES, FACE_COLUMNS)

    def mend(self, undone: Iterable[str]) -> None:
        """Remove unfinished photos and broken rows from the tables, after an interrupted run.

        Args:
            undone: the photos that are not done.
        """
        begun = set(undone)
        kept = [row for row in self.faces() if row["photo"] not in begun]
        self.write(self.folder / FACES, _csv(FACE_COLUMNS, kept, header=True))
        rejects = _rows(self.folder / REJECTS, REJECT_COLUMNS)
        self.write(self.folder / REJECTS, _csv(REJECT_COLUMNS, rejects, header=True))

    def _append(self, file: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        path = self.folder / file
        with writing(path), path.open("ab") as stream:
            stream.write(_csv(columns, rows, header=False))


@contextmanager
def open_output(folder: Path, settings: Mapping[str, Any], force: bool) -> Generator[OutputFolder]:
    """Open a new output folder, or that of an earlier run with the same settings.

    Args:
        folder: the folder to write.
        settings: the settings that the results depend on, besides the photos.
        force: whether to start again in a folder that holds other files, and overwrite them.

    Raises:
        DataError: if it is a file, holds other files, or another run is writing to it.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"--output {folder}: is a file; give a folder")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    busy = f"{folder}: another restore is writing to it; wait until it ends, or choose another folder"
    with alone(folder / ".lock", busy):
        marker = folder / SETTINGS
        text = json.dumps(settings, indent=1) + "\n"
        if force:
            for old in (*folder.glob("sheet-*.png"), *(folder / name for name in (FACES, REJECTS, SETTINGS))):
                old.unlink(missing_ok=True)
        elif not marker.exists():
            if any(path.name != ".lock" for path in folder.iterdir()):
                raise DataError(f"--output {folder}: is not empty; choose another folder, or overwrite with --force")
        elif (found := _settings(marker)) != json.loads(text):
            different = next((name for name in settings if found.get(name) != json.loads(text)[name]), SETTINGS)
            was, now = found.get(different), settings.get(different)
            values = "" if isinstance(now, list) else f" ({was}, now {now})"  # digests say nothing to a reader
            raise DataError(
                f"--output {folder}: was begun with a different setting of {different}{values}; choose another folder, "
                "or start again with --force"
            )
        output = OutputFolder(folder)
        output.write(marker, text.encode())
        yield output


def _settings(marker: Path) -> dict[str, Any]:
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the complete rows of a CSV, as an interrupted run may have cut the last one."""
    if not path.exists():
        return []
    lines = path.read_bytes().rpartition(b"\n")[0].decode(errors="replace")
    rows = [row for row in csv.DictReader(io.StringIO(lines)) if None not in row and None not in row.values()]
    if rows and tuple(rows[0]) != tuple(columns):
        raise DataError(f"{path}: `ftlgan restore` did not write it; choose another folder, or overwrite with --force")
    return rows


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], header: bool) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
