"""The photos of a list of pairs, which are the test photos if there is a list."""

import sys
from collections.abc import Iterable
from pathlib import Path

from ftlgan.errors import DataError
from ftlgan.params import Dataset
from ftlgan.sources import Photo, folder
from ftlgan.sources.place import photos_folder
from ftlgan.verification.pair_list import Listed, PhotoNames, listed_people, read_pairs, repeated
from ftlgan.verification.text_files import shown


def listed_pairs(dataset: Dataset) -> list[Listed]:
    """Return the pairs of `dataset.pairs`, or of LFW's own list; none if there is no list.

    Raises:
        DataError: if the file is not a list of pairs.
    """
    return read_pairs(_list_path(dataset)) if dataset.has_pairs else []


def _list_path(dataset: Dataset) -> Path:
    """Return the file of the list, which is downloaded with LFW."""
    if dataset.source != "lfw-pairs":
        return Path(dataset.pairs)
    from ftlgan.sources import lfw

    lfw.download()
    return lfw.official_pairs()


def open_listed(dataset: Dataset, pairs: list[Listed]) -> tuple[dict[str, int], Iterable[Photo]]:
    """Find the photos in a list of pairs. Say how many pairs name a photo that is missing.

    Returns:
        The number of these photos of each person, and the photos, person by person.

    Raises:
        DataError: if the list contradicts the photos, or has no genuine or no impostor pair of photos that are there.
    """
    if not pairs:
        return {}, ()
    path, place = _list_path(dataset), photos_folder(dataset)
    album = folder.album(place)
    people = listed_people(pairs) & album.keys()
    photo_of = {
        f"{name}/{photo.relative_to(place / name).as_posix()}": (name, photo)
        for name in sorted(people)
        for photo in album[name]
    }
    found = _found(path, pairs, list(photo_of), place)
    chosen: dict[str, list[Path]] = {}
    for name, photo in (photo_of[face_id] for face_id in photo_of if face_id in found):
        chosen.setdefault(name, []).append(photo)
    return {person: len(photos) for person, photos in chosen.items()}, folder.photographs(place, chosen)


def _found(path: Path, pairs: list[Listed], names: list[str], place: Path) -> set[str]:
    """Return the photos that the list names, and check its pairs.

    Args:
        path: the list.
        pairs: its pairs.
        names: the photos of its people, each PERSON/PHOTO.
        place: the folder of the photos.
    """
    photos = PhotoNames(names)
    found: set[str] = set()
    missing: list[str] = []
    kinds: set[bool] = set()
    compared: list[tuple[int | None, int | None]] = []
    for pair in pairs:
        rows = [photos.row(path, pair.line, name) for name in (pair.probe, pair.reference)]
        found |= {names[row] for row in rows if row is not None}
        if None in rows:
            name = pair.probe if rows[0] is None else pair.reference
            missing += [f"line {pair.line}: {shown(name)} {photos.like(name)}"]
            continue
        one, other = pair.probe, pair.reference
        genuine = one.split("/")[0] == other.split("/")[0]
        if rows[0] == rows[1]:
            raise DataError(f"{path}: line {pair.line}: compares {one} with itself; remove the line")
        if pair.genuine not in (None, genuine):
            raise DataError(
                f"{path}: line {pair.line}: calls {shown(one)} and {shown(other)} "
                f"{'one person' if pair.genuine else 'two people'}, and their names do not; correct the line"
            )
        kinds.add(genuine)
        compared.append((rows[0], rows[1]))
    if missing:
        print(
            f"{path}: {len(missing)} of {len(pairs)} pairs are left out, because a photo is not in {place}; "
            f"the first is {missing[0]}",
            file=sys.stderr,
        )
    if again := repeated(compared):
        print(
            f"{path}: {again} of {len(pairs)} pairs are listed more than once, in either order; each counts every time",
            file=sys.stderr,
        )
    if len(kinds) < 2:
        lacking = " and ".join(
            kind for kind, is_genuine in (("genuine", True), ("impostor", False)) if is_genuine not in kinds
        )
        raise DataError(
            f"{path}: has no {lacking} pair whose photos are in {place}; add such pairs, or set dataset.path to the "
            "folder with its photos"
        )
    return found
