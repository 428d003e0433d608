"""The user's own photos: a directory with one directory of photos per person."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ftlgan.errors import DataError
from ftlgan.sources import Photo
from ftlgan.sources.split import shuffled

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def locate(path: str) -> Path:
    """The folder of photos that `dataset.path` means, as seen from the working directory.

    Raises:
        DataError: if it does not exist or is not a folder.
    """
    folder = Path(path)
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
    place = Path(os.path.abspath(path))  # noqa: PTH100 - as DVC does: `..` is textual, links are not resolved
    photos = Path(os.path.abspath(project / path))  # noqa: PTH100
    if place == photos or not photos.is_dir() or (place.exists() and not place.is_symlink()):
        return
    if not place.is_relative_to(project.absolute() / ".dvc" / "tmp"):
        raise DataError(
            f"dataset.path: {path} leads too far up for a run in a copy of the project; give {photos} instead"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    link = place.with_name(f"{place.name}.{os.getpid()}")  # made aside: another run in a copy may do the same
    link.symlink_to(photos, target_is_directory=True)
    link.replace(place)


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
    album = {person.name: _photos(person) for person in sorted(folder.iterdir()) if _is_person(person)}
    album = {name: photos for name, photos in album.items() if photos}
    if not album:
        raise DataError(
            f"dataset.path: {folder} has no folders with photos ({', '.join(SUFFIXES)}) in it; "
            "expected one folder per person"
        )
    order = shuffled(album, seed)
    chosen = sorted(order, key=lambda name: len(album[name]) < 2)[:most_people]  # stable: keeps the shuffled order
    print(f"{folder}: {len(chosen)} of {len(album)} people", file=sys.stderr)
    return {name: album[name][:most_photos] for name in sorted(chosen)}


def _is_person(path: Path) -> bool:
    """Whether a path is a folder of somebody's photos.

    Raises:
        DataError: if it is a link, or its name is not text.
    """
    if not path.is_dir() or path.name.startswith("."):
        return False
    if path.is_symlink():
        raise DataError(f"{path}: is a link, whose photos DVC does not watch; put the folder itself there")
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{str(path)!r}: its name is not UTF-8; rename the folder") from None
    return True


def _photos(person: Path) -> list[Path]:
    """The photos of a folder, by name. What is left out is said."""
    paths = [path for path in sorted(person.iterdir()) if not path.name.startswith(".")]
    photos = [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    if len(photos) < len(paths):
        others = ", ".join(repr(path.name) for path in paths if path not in photos)
        print(f"{person}: left out {others[:100]}: not {', '.join(SUFFIXES)}", file=sys.stderr)
    return photos


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
