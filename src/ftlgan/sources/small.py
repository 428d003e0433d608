"""Photos of people that are small as they are: a directory with one directory of photos per person.

Their people are those of the data set, of whom there are high-resolution photos to compare with. A person's small
photos are of the split that the person is in.
"""

import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ftlgan.errors import DataError
from ftlgan.sources import folder

SMALL = "small"
"""The face_id of a small photo begins with this, because a high-resolution photo may have the same name."""
NO_TWIN = "no usable high-resolution photo of this person"
"""A reason to reject a small photo; the others come from `ftlgan.alignment`."""

Row = dict[str, Any]
"""A row of a face table."""


def open_small_photos(
    place: Path, people: Mapping[str, str | None], not_chosen: Collection[str], rejects: list[Row]
) -> tuple[int, Iterator[Row]]:
    """Open a folder of small photos.

    Args:
        place: the directory of directories.
        people: the split of each person of the data set; None for one of whom no high-resolution photo could be used.
        not_chosen: people of whom there are high-resolution photos that `dataset.people` left out.
        rejects: receives a row of `ftlgan.faces.REJECTS` for each photo that can't be used.

    Returns:
        The number of photos, and rows of `ftlgan.faces.FACES`, person after person.

    Raises:
        DataError: if the folder has no folders with photos, can't be read, or holds somebody unknown, or somebody of
            the data set is called `SMALL`.
    """
    if SMALL in people:
        raise DataError(
            f"dataset.path: {SMALL} is also what the photos of dataset.small are called by; rename the folder"
        )
    album = folder.album(place)
    if not album:
        raise DataError(
            f"dataset.small: {place} has no folders with photos ({folder.COMMON_SUFFIXES} ...) in it; expected one "
            "folder per person"
        )
    if unknown := sorted(album.keys() - people.keys() - set(not_chosen)):
        raise DataError(
            f"dataset.small: {place / unknown[0]}: there is nobody of this name among the people of the data set, with "
            "whose high-resolution photos a small one is compared; rename the folder or take it out"
        )
    if left_out := album.keys() - people.keys():
        print(f"{place}: {len(left_out)} people left out, whom dataset.people does not choose", file=sys.stderr)
    used = {name: photos for name, photos in album.items() if people.get(name)}
    for name in album.keys() & people.keys() - used.keys():
        for path in album[name]:
            rejects.append({"face_id": _face_id(place, path), "identity": name, "reason": NO_TWIN})
    rows = (
        {"face_id": f"{SMALL}/{name}/{path}", "identity": name, "split": people[name], "image": image}
        for name, path, image in folder.photographs(place, used)
    )
    return sum(map(len, used.values())), rows


def _face_id(place: Path, photo: Path) -> str:
    return f"{SMALL}/{photo.relative_to(place).as_posix()}"
