"""The photos of a list of pairs. If there is a list, they are the test photos."""

from collections.abc import Iterable
from pathlib import Path

from ftlgan.errors import DataError
from ftlgan.params import Dataset
from ftlgan.sources import Photo, folder
from ftlgan.sources.place import photos_folder
from ftlgan.verification.pair_list import Listed, listed_people, listed_photos, read_pairs


def listed_pairs(dataset: Dataset) -> list[Listed]:
    """Return the pairs of `dataset.pairs`, or of LFW's own list; none without a list.

    Raises:
        DataError: if the file is not a list of pairs.
    """
    if dataset.source == "lfw-pairs":
        from ftlgan.sources import lfw

        lfw.download()
        return read_pairs(lfw.official_pairs())
    return read_pairs(Path(dataset.pairs)) if dataset.has_pairs else []


def open_listed(dataset: Dataset, pairs: list[Listed]) -> tuple[dict[str, int], Iterable[Photo]]:
    """Find the photos in a list of pairs.

    Returns:
        The number of these photos of each person, and the photos, person by person.

    Raises:
        DataError: if there are none of them.
    """
    if not pairs:
        return {}, ()
    place = photos_folder(dataset)
    album = folder.album(place)
    photo_of = {
        f"{name}/{photo.relative_to(place / name).as_posix()}": (name, photo)
        for name in sorted(listed_people(pairs) & album.keys())
        for photo in album[name]
    }
    chosen: dict[str, list[Path]] = {}
    found = listed_photos(pairs, list(photo_of))
    for face_id in (face_id for face_id in photo_of if face_id in found):
        name, photo = photo_of[face_id]
        chosen.setdefault(name, []).append(photo)
    if not chosen:
        raise DataError(
            f"dataset.pairs: {dataset.pairs}: {place} has none of the photos of its {len(pairs)} pairs, such as "
            f"{pairs[0].probe}; set dataset.path to the folder with its photos"
        )
    return {person: len(photos) for person, photos in chosen.items()}, folder.photographs(place, chosen)
