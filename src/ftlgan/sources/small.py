"""Natively small photos: a folder with one folder of photos per person.

The people must be in the data set, which has their high-resolution photos to compare with. A person's small photos are
in that person's split.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftlgan.errors import DataError
from ftlgan.sources import folder

SMALL = "small"
"""The prefix of a small photo's face_id, because a high-resolution photo may have the same name."""
NO_TWIN = "no usable high-resolution photo of this person"
"""A reason to reject a small photo. All other reasons come from `ftlgan.alignment`."""

Row = dict[str, Any]
"""A row of a face table."""


def open_small_photos(
    place: Path,
    people: Mapping[str, str | None],
    not_chosen: Collection[str],
    limits: Sequence[str],
    rejects: list[Row],
) -> tuple[int, Iterator[Row]]:
    """Open a folder of small photos.

    Args:
        place: a folder with one folder per person.
        people: the split of each person of the data set; None for a person without a usable high-resolution photo.
        not_chosen: people with high-resolution photos that are not in the data set.
        limits: the params that may have left them out, for the message.
        rejects: receives a row of `ftlgan.faces.REJECTS` for each photo that can't be used.

    Returns:
        The number of photos, and rows of `ftlgan.faces.FACES`, person by person.

    Raises:
        DataError: if the folder has no folders with photos, can't be read, or has an unknown person, or if a person of
            the data set is named `SMALL`.
    """
    if SMALL in people:
        raise DataError(f"dataset.path: the name {SMALL} is reserved for photos of dataset.small; rename the folder")
    album = folder.album(place)
    if not album:
        raise DataError(
            f"dataset.small: {place} has no folders with photos ({folder.COMMON_SUFFIXES} ...); expected one folder "
            "per person"
        )
    if unknown := sorted(album.keys() - people.keys() - set(not_chosen)):
        raise DataError(
            f"dataset.small: {place / unknown[0]}: the data set has no person of this name, and so no high-resolution "
            "photos to compare with; rename or remove the folder"
        )
    if left_out := sorted(album.keys() - people.keys()):
        print(
            f"{place}: {len(left_out)} people left out (the first: {left_out[0]}), because "
            f"{' or '.join(limits) or 'the data set'} excludes them",
            file=sys.stderr,
        )
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
