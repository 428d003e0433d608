"""The user's own photos: a directory with one directory of photos per person."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ftlgan.errors import DataError
from ftlgan.sources import Photo, shuffled

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def locate(path: str) -> Path:
    """The folder of photos that `dataset.path` means, as seen from the working directory.

    Raises:
        DataError: if it does not exist or is not a folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"dataset.path: {path} {problem}; it should be a folder with one folder of photos per person")
    return folder


def link_into_copy(path: str, project: Path) -> None:
    """Let a relative path mean the same folder in a copy of the project as in the project itself.

    `dvc exp run --temp` and the queue work in a copy, deep inside the project, from which `../photos` leads nowhere. A
    link at that place makes the path valid there, for us and for DVC, which hashes the folder to see what changed.

    Args:
        path: `dataset.path`.
        project: root of the original project (DVC's `DVC_ROOT`).

    Raises:
        DataError: if the place lies outside the project, where nothing may be put.
    """
    here = Path(os.path.abspath(path))  # noqa: PTH100 - as DVC does: `..` is textual, links are not resolved
    there = Path(os.path.abspath(project / path))  # noqa: PTH100
    if here == there or not there.is_dir() or (here.exists() and not here.is_symlink()):
        return
    if not here.is_relative_to(project.absolute()):
        raise DataError(f"dataset.path: {path} leads too far up for a run in a copy of the project; give it as {there}")
    here.parent.mkdir(parents=True, exist_ok=True)
    here.unlink(missing_ok=True)
    here.symlink_to(there, target_is_directory=True)


def people(folder: Path, most_people: int | None, most_photos: int | None, seed: int) -> dict[str, list[Path]]:
    """Choose people and photos, by name and seed alone.

    Somebody with one photo makes no genuine pair, so people with more are chosen first. Photos are the first by name.

    Args:
        folder: the directory of directories.
        most_people: cap on people; None: all.
        most_photos: cap on photos per person; None: all.

    Returns:
        The photos of each person, people in alphabetical order.

    Raises:
        DataError: if the folder has no folders with photos.
    """
    album = {person.name: _photos(person) for person in sorted(folder.iterdir()) if person.is_dir()}
    album = {name: photos for name, photos in album.items() if photos and not name.startswith(".")}
    if not album:
        raise DataError(
            f"dataset.path: {folder} has no folders with photos ({', '.join(SUFFIXES)}) in it; "
            "expected one folder per person"
        )
    order = shuffled(album, seed)
    chosen = sorted(order, key=lambda name: len(album[name]) < 2)[:most_people]  # stable: keeps the shuffled order
    print(f"{folder}: {len(chosen)} of {len(album)} people", file=sys.stderr)
    return {name: album[name][:most_photos] for name in sorted(chosen)}


def _photos(person: Path) -> list[Path]:
    return [path for path in sorted(person.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]


def photographs(album: Mapping[str, list[Path]]) -> Iterator[Photo]:
    """Read the chosen photos, bytes as they are."""
    for name, photos in album.items():
        for path in photos:
            try:
                yield name, path.name, path.read_bytes()
            except OSError as error:
                raise DataError(
                    f"{path}: can't be read ({error.strerror}); mend its permissions or remove it"
                ) from None
