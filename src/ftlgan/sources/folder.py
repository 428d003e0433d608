"""The user's own photos: a directory with one directory of photos per person; and one of photos of nobody known."""

import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ftlgan.errors import DataError
from ftlgan.photos import HEIC_IS_READ, HEIC_SUFFIXES, SUFFIXES
from ftlgan.sources import Photo
from ftlgan.sources.split import choose_people

README = "README.txt"
"""What the stage `locate` puts into the folder of a source that reads none."""
BESIDE = {
    "dataset.unlabelled": "a folder of photos of nobody known",
    "dataset.small": "a folder with one folder of small photos per person",
}
"""The params that name a folder beside `dataset.path`, and what it should be."""
LISTS = {
    "dataset.pairs": "a list of pairs, as LFW's pairs.txt, or CSV",
    "dataset.only": "a list of people, a name a line",
}
"""The params that name a file, and what it should be."""
ARCHIVES = {"recordio": "*.rec", "webdataset": "*.tar"}
"""The sources that read archives in `dataset.path`, and what those are called."""
COMMON_SUFFIXES = ".jpg, .png, .tif, .webp"
"""What messages name of the suffixes."""


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


def locate_beside(key: str, path: str, others: Mapping[str, str]) -> Path:
    """The folder that another param than `dataset.path` means, as seen from the working directory.

    Args:
        key: one of `BESIDE`.
        path: the value of the param.
        others: the folders that it must lie beside, by their params.

    Raises:
        DataError: if it does not exist or is not a folder, or if one of two lies in the other.
    """
    folder = Path(path)
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{key}: {path} {problem}; it should be {BESIDE[key]}")
    here = folder.resolve()
    for other, place in others.items():
        there = Path(place).resolve()
        if here.is_relative_to(there) or there.is_relative_to(here):
            relation = "is the same folder as" if here == there else "lies in" if there in here.parents else "holds"
            raise DataError(f"{key}: {path} {relation} {place}, which is {other}; give each a folder of its own")
    return folder


def check_unread(key: str, path: str) -> None:
    """Check that the folder that stands for none holds nothing that somebody takes for photos of the data set.

    Args:
        key: the param whose folder it is.
        path: the value of the param.

    Raises:
        DataError: if there is anything but its `README` in it, or it is a link or a file.
    """
    folder = Path(path)
    if folder.is_symlink() or folder.is_file() or (folder.exists() and any(x.name != README for x in folder.iterdir())):
        raise DataError(f"{path}: nothing is read from there; move it to another place, and set {key} to that")


def make_unread(key: str, path: str, read_me: str) -> None:
    """Make the folder that stands for none.

    Args:
        key: the param whose folder it is.
        path: the value of the param.
        read_me: what its `README` says.

    Raises:
        DataError: see `check_unread`.
    """
    check_unread(key, path)
    Path(path).mkdir(parents=True, exist_ok=True)
    (Path(path) / README).write_text(read_me, encoding="utf-8", newline="\n")


def link_into_copy(key: str, path: str, project: Path) -> None:
    """Let a relative path mean the same folder in a copy of the project as in the project itself.

    `dvc exp run --temp` and the queue work in a copy, deep inside the project, from which `../photos` leads nowhere. A
    link at that place makes the path valid there, for us and for DVC, which hashes the folder to see what changed.

    Args:
        key: the param whose folder it is.
        path: the value of the param.
        project: root of the original project (DVC's `DVC_ROOT`).

    Raises:
        DataError: if the place lies outside the project, where nothing may be put.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100 - as DVC does: `..` is textual, links are not resolved
    photos = Path(os.path.abspath(project / path))  # noqa: PTH100
    if place == photos or not photos.exists() or (place.exists() and not place.is_symlink()):
        return
    if not place.is_relative_to(project.absolute() / ".dvc" / "tmp"):
        raise DataError(f"{key}: {path} leads too far up for a run in a copy of the project; give {photos} instead")
    place.parent.mkdir(parents=True, exist_ok=True)
    link = place.with_name(f"{place.name}.{os.getpid()}")  # made aside: another run in a copy may do the same
    link.symlink_to(photos, target_is_directory=True)
    link.replace(place)


def locate_list(key: str, path: str) -> None:
    """Check that a list, as seen from the working directory, is a file.

    Args:
        key: one of `LISTS`.
        path: the value of the param.

    Raises:
        DataError: if it does not exist or is a folder.
    """
    if not Path(path).is_file():
        problem = "is a folder" if Path(path).exists() else "does not exist"
        raise DataError(f"{key}: {path} {problem}; it should be {LISTS[key]}")


def names(path: str) -> list[str]:
    """Read the list of people that `dataset.only` names: a name a line; what follows a # is a remark.

    Raises:
        DataError: if it can't be read, is not UTF-8, or names nobody.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"dataset.only: {path}: can't be read ({error.strerror}); mend its permissions") from None
    except UnicodeDecodeError:
        raise DataError(f"dataset.only: {path}: is not UTF-8 text; write a name on each line") from None
    if found := [name for line in lines if (name := line.partition("#")[0].strip())]:
        return found
    raise DataError(f"dataset.only: {path}: names nobody; write a name on each line")


def people(
    folder: Path,
    most_people: int | None,
    most_photos: int | None,
    seed: int,
    left_out: Collection[str] = (),
    only: Collection[str] | None = None,
) -> dict[str, list[Path]]:
    """Choose people and photos, by name and seed alone.

    Somebody with one photo makes no genuine pair and can only train, so people with more are chosen first. Photos are
    the first by path.

    Args:
        folder: the directory of directories.
        most_people: cap on people; None: all.
        most_photos: cap on photos per person; None: all.
        seed: of the choice.
        left_out: people who are not chosen.
        only: people of whom some are chosen, and nobody else; None: anybody.

    Returns:
        The photos of each person, people in alphabetical order.

    Raises:
        DataError: if the folder has no folders with photos, or none for somebody in `only`.
    """
    every = album(folder)
    for source, pattern in ARCHIVES.items() if not every else ():
        if any(folder.glob(pattern)):
            raise DataError(f"dataset.path: {folder} holds archives; set dataset.source to {source}")
    if not every:
        raise DataError(
            f"dataset.path: {folder} has no folders with photos ({COMMON_SUFFIXES} ...) in it; "
            "expected one folder per person"
        )
    if unknown := [name for name in only or () if name not in every]:
        raise DataError(
            f"dataset.only: {unknown[0]} has no photos in {folder} ({len(unknown)} of {len(only or ())} names have "
            "none); correct the name, or remove the line"
        )
    every = {name: photos for name, photos in every.items() if name not in left_out and (only is None or name in only)}
    chosen = choose_people({name: len(paths) for name, paths in every.items()}, most_people, seed)
    print(f"{folder}: {len(chosen)} of {len(every)} people", file=sys.stderr)
    return {name: every[name][:most_photos] for name in chosen}


def unlabelled(folder: Path) -> list[Path]:
    """Return the photos of a folder of nobody known, by name. Say what is left out.

    Raises:
        DataError: if there are no photos or there are folders in it, or something in it can't be read.
    """
    if within := [path for path in _visible(folder) if path.is_dir()]:
        raise DataError(
            f"dataset.unlabelled: {folder} holds the folder {within[0].name}, and photos of nobody known lie side by "
            f"side; move those photos up into {folder}, or if its folders are people, set dataset.path to it"
        )
    if not (found := photos(folder)):
        raise DataError(f"dataset.unlabelled: {folder} has no photos ({COMMON_SUFFIXES} ...) in it; put some there")
    return found


def album(folder: Path) -> dict[str, list[Path]]:
    """Return the photos of each person who has any, people in alphabetical order.

    Raises:
        DataError: if something in the folder can't be read.
    """
    found = {person.name: photos(person) for person in _visible(folder) if _is_folder(person)}
    return {name: paths for name, paths in found.items() if paths}


def has_photos_outside_folders(folder: Path) -> bool:
    """Whether a folder has photos that are in none of the folders within.

    Raises:
        DataError: if something in the folder can't be read.
    """
    return any(path.suffix.lower() in SUFFIXES and path.is_file() for path in _visible(folder))


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, by name, without hidden files.

    Raises:
        DataError: if the folder can't be read, a name is not text, or a link leads nowhere.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({error.strerror}); mend its permissions or remove it") from None
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise DataError(f"{str(path)!r}: its name is not UTF-8; rename it") from None
        if path.is_symlink() and not path.exists():
            raise DataError(f"{path}: is a link that leads nowhere; mend or remove it")
    return paths


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder with photos in it.

    Raises:
        DataError: if it is a link to one.
    """
    if path.is_dir() and path.is_symlink():
        raise DataError(f"{path}: is a link, whose photos DVC does not watch; put the folder itself there")
    return path.is_dir()


def photos(person: Path) -> list[Path]:
    """Return the photos of a person, also those in folders within, by path. Say what is left out.

    Raises:
        DataError: if something in the folder can't be read.
    """
    files = sorted(_files(person))
    found = [path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()]
    if len(found) < len(files):
        chosen = set(found)
        others = [path for path in files if path not in chosen]
        names = ", ".join(repr(str(path.relative_to(person))) for path in others)
        hint = ""
        if not HEIC_IS_READ and any(path.suffix.lower() in HEIC_SUFFIXES for path in others):
            hint = "; .heic is read where the package pillow-heif is installed"
        print(f"{person}: left out {names[:100]}: not {COMMON_SUFFIXES} or the like{hint}", file=sys.stderr)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """All files in a folder and in the folders within."""
    for path in _visible(folder):
        if _is_folder(path):
            yield from _files(path)
        else:
            yield path


def photographs(folder: Path, chosen: Mapping[str, list[Path]]) -> Iterator[Photo]:
    """Read the chosen photos of a folder of people, bytes as they are."""
    for name, paths in chosen.items():
        for path in paths:
            yield name, path.relative_to(folder / name).as_posix(), read(path)


def read(photo: Path) -> bytes:
    """Read a photo, bytes as they are.

    Raises:
        DataError: if it can't be read.
    """
    try:
        return photo.read_bytes()
    except OSError as error:
        raise DataError(f"{photo}: can't be read ({error.strerror}); mend its permissions or remove it") from None
