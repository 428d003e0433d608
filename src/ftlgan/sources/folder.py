"""The user's own photos: a folder with one folder of photos per person, and a folder of unlabeled photos."""

import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ftlgan.errors import DataError
from ftlgan.photos import HEIC_IS_READ, HEIC_SUFFIXES, SUFFIXES
from ftlgan.sources import Photo
from ftlgan.sources.split import choose_people

README = "README.txt"
"""The file that the stage `locate` puts into a folder that no source reads."""
BESIDE = {
    "dataset.unlabelled": "a folder of unlabeled photos",
    "dataset.small": "a folder with one folder of small photos per person",
}
"""The params that name a folder in addition to `dataset.path`, and what it should be."""
LISTS = {
    "dataset.pairs": "a list of pairs, like LFW's pairs.txt, or CSV",
    "dataset.only": "a list of people, one name per line",
}
"""The params that name a file, and what it should be."""
ARCHIVES = {"recordio": "*.rec", "webdataset": "*.tar"}
"""The sources that read archives in `dataset.path`, and the names of these archives."""
COMMON_SUFFIXES = ".jpg, .png, .tif, .webp"
"""The suffixes that messages mention."""


def locate(path: str) -> Path:
    """Return the folder of photos that `dataset.path` names, relative to the working directory.

    Raises:
        DataError: if it does not exist or is not a folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"dataset.path: {path} {problem}; it should be a folder with one folder of photos per person")
    return folder


def locate_beside(key: str, path: str, others: Mapping[str, str]) -> Path:
    """Return the folder that a param other than `dataset.path` names, relative to the working directory.

    Args:
        key: one of `BESIDE`.
        path: the value of the param.
        others: folders that must not overlap with it, by their params.

    Raises:
        DataError: if it does not exist, is not a folder, or overlaps with another folder.
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
    """Check that an unread folder is empty, so that nobody takes its contents for photos of the data set.

    Args:
        key: the param that names the folder.
        path: the value of the param.

    Raises:
        DataError: if it has anything but its `README`, or is a link or a file.
    """
    folder = Path(path)
    if folder.is_symlink() or folder.is_file() or (folder.exists() and any(x.name != README for x in folder.iterdir())):
        raise DataError(f"{path}: is not read; move it to another place, and set {key} to that place")


def make_unread(key: str, path: str, read_me: str) -> None:
    """Make a folder that no source reads.

    Args:
        key: the param that names the folder.
        path: the value of the param.
        read_me: the text of its `README`.

    Raises:
        DataError: see `check_unread`.
    """
    check_unread(key, path)
    Path(path).mkdir(parents=True, exist_ok=True)
    (Path(path) / README).write_text(read_me, encoding="utf-8", newline="\n")


def link_into_copy(key: str, path: str, project: Path) -> None:
    """Make a relative path valid in a copy of the project, by a link to the original.

    `dvc exp run --temp` and the queue work in a copy deep inside the project, where `../photos` does not exist. The
    link makes the path valid for us and for DVC, which hashes the folder or file to detect changes.

    What is next to the copy stays there for later runs. So of `../lists/pairs.txt`, the folder `lists` is linked: a
    real folder with a link to the file would later be taken for the folder `../lists`.

    Args:
        key: the param that names the folder or file.
        path: the value of the param.
        project: root of the original project (DVC's `DVC_ROOT`).

    Raises:
        DataError: if the link would be outside the project's temporary folder, or something else has its name.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100 - like DVC, resolve `..` but no links
    original = Path(os.path.abspath(project / path))  # noqa: PTH100
    if place == original or not original.exists() or (place.exists() and place.samefile(original)):
        return
    link, target, copy = place, original, Path.cwd()
    if place.is_relative_to(copy):
        if place.exists() and not place.is_symlink():  # in git
            return
    else:
        while not copy.is_relative_to(link.parent):
            link, target = link.parent, target.parent
        if not link.is_relative_to(project.absolute() / ".dvc" / "tmp"):
            raise DataError(
                f"{key}: {path} goes too far up for a run in a copy of the project; give {original} instead"
            )
        if link.exists() and not link.is_symlink():
            raise DataError(
                f"{key}: in a run in a copy of the project, {path} is hidden by {link}; give {original} instead"
            )
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f"{link.name}.{os.getpid()}")  # replaced atomically: another run may do the same
    temporary.symlink_to(target, target_is_directory=target.is_dir())
    temporary.replace(link)


def locate_list(key: str, path: str) -> None:
    """Check that a list, relative to the working directory, is a file.

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
    """Read the list of people that `dataset.only` names: one name per line; # starts a comment.

    Raises:
        DataError: if it can't be read, is not UTF-8, or has no names.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").removeprefix("\ufeff").splitlines()
    except OSError as error:
        raise DataError(f"dataset.only: {path}: can't be read ({error.strerror}); fix its permissions") from None
    except UnicodeDecodeError:
        raise DataError(f"dataset.only: {path}: is not UTF-8 text; write one name per line") from None
    if found := [name for line in lines if (name := line.partition("#")[0].strip())]:
        return found
    raise DataError(f"dataset.only: {path}: has no names; write one name per line")


def people(
    folder: Path,
    most_people: int | None,
    most_photos: int | None,
    seed: int,
    left_out: Collection[str] = (),
    only: Collection[str] | None = None,
) -> dict[str, list[Path]]:
    """Choose people and photos. The choice of people depends only on their names and the seed.

    A person with one photo makes no genuine pair and can only train, so people with more photos are chosen first. Of
    each person, the first photos by path are chosen.

    Args:
        folder: a folder with one folder per person.
        most_people: maximum number of people; None for all.
        most_photos: maximum number of photos per person; None for all.
        seed: seed of the choice.
        left_out: people who are not chosen.
        only: the only people to choose from; None for all.

    Returns:
        The photos of each person, people in alphabetical order.

    Raises:
        DataError: if the folder has no folders with photos, or has none for a name in `only`.
    """
    every = album(folder)
    for source, pattern in ARCHIVES.items() if not every else ():
        if any(folder.glob(pattern)):
            raise DataError(f"dataset.path: {folder} has archives; set dataset.source to {source}")
    if not every:
        raise DataError(
            f"dataset.path: {folder} has no folders with photos ({COMMON_SUFFIXES} ...); expected one folder per person"
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
    """Return the photos of a folder of unlabeled photos, by name. Files that are not photos are reported.

    Raises:
        DataError: if the folder has no photos, has folders, or can't be read.
    """
    if within := [path for path in _visible(folder) if path.is_dir()]:
        raise DataError(
            f"dataset.unlabelled: {folder} has the folder {within[0].name}, but unlabeled photos must not be in "
            f"subfolders; move them up into {folder}, or if its folders are people, set dataset.path to it"
        )
    if not (found := photos(folder)):
        raise DataError(f"dataset.unlabelled: {folder} has no photos ({COMMON_SUFFIXES} ...); put some there")
    return found


def album(folder: Path) -> dict[str, list[Path]]:
    """Return the photos of each person who has any, people in alphabetical order.

    Raises:
        DataError: if something in the folder can't be read.
    """
    found = {person.name: photos(person) for person in _visible(folder) if _is_folder(person)}
    return {name: paths for name, paths in found.items() if paths}


def has_photos_outside_folders(folder: Path) -> bool:
    """Tell whether a folder has photos that are not in a subfolder.

    Raises:
        DataError: if something in the folder can't be read.
    """
    return any(path.suffix.lower() in SUFFIXES and path.is_file() for path in _visible(folder))


def _visible(folder: Path) -> list[Path]:
    """Return the contents of a folder, by name, without hidden files.

    Raises:
        DataError: if the folder can't be read, a name is not UTF-8, or a link is broken.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({error.strerror}); fix its permissions or remove it") from None
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise DataError(f"{str(path)!r}: its name is not UTF-8; rename it") from None
        if path.is_symlink() and not path.exists():
            raise DataError(f"{path}: is a broken link; fix or remove it")
    return paths


def _is_folder(path: Path) -> bool:
    """Tell whether a path is a folder.

    Raises:
        DataError: if it is a link to a folder.
    """
    if path.is_dir() and path.is_symlink():
        raise DataError(f"{path}: is a link, and DVC does not track linked photos; put the folder itself there")
    return path.is_dir()


def photos(person: Path) -> list[Path]:
    """Return the photos of a person, also those in subfolders, by path. Files that are not photos are reported.

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
            hint = "; install the package pillow-heif to read .heic"
        print(f"{person}: left out {names[:100]}: not {COMMON_SUFFIXES} or the like{hint}", file=sys.stderr)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder and its subfolders."""
    for path in _visible(folder):
        if _is_folder(path):
            yield from _files(path)
        else:
            yield path


def photographs(folder: Path, chosen: Mapping[str, list[Path]]) -> Iterator[Photo]:
    """Read the chosen photos of a folder of people, without decoding them."""
    for name, paths in chosen.items():
        for path in paths:
            yield name, path.relative_to(folder / name).as_posix(), read(path)


def read(photo: Path) -> bytes:
    """Read a photo without decoding it.

    Raises:
        DataError: if it can't be read.
    """
    try:
        return photo.read_bytes()
    except OSError as error:
        raise DataError(f"{photo}: can't be read ({error.strerror}); fix its permissions or remove it") from None
