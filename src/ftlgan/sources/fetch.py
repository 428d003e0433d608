"""Open a source of photos, and give each person to one split.

Where a list of pairs says who is compared with whom, its people are tested, and nobody else is.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ftlgan.errors import DataError
from ftlgan.params import Dataset
from ftlgan.sources import Photo, folder
from ftlgan.sources.split import require_people_in_each_split, split_people
from ftlgan.verification.pair_list import Listed, listed_people, listed_photos, read_pairs

UNLABELLED = "unlabelled"
"""In the face_id of a photo of nobody known in place of a person."""


def fetch(dataset: Dataset, seed: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Open a source, and give each person, with all photos, to one split.

    The people of `dataset.synthetic_people` are divided between train and val, so that all others may be in the test.
    The shares are of the people with two photos or more, because one photo makes no genuine pair. People with one photo
    train. Where the shares leave nobody to train on, nobody is to be trained on: then they are in the test, and the
    stage `align` rejects the photo. The photos of `dataset.unlabelled` all train.

    Where there is a list of pairs, its photos are the test, people with one photo among them, and the other photos of
    these people are in no split. Those who are not in the list are divided between train and val.

    Returns:
        The number of photos, and rows of the raw face table (`ftlgan.faces.FACES`), in a fixed order.

    Raises:
        DataError: if the source can't be had, holds no usable people, or too few for the split.
    """
    pairs = listed_pairs(dataset)
    tested, tested_photographs = _open_listed(dataset, pairs)
    people, photographs = _open(dataset, seed, listed_people(pairs))
    unlabelled = _open_unlabelled(dataset)
    if unlabelled and UNLABELLED in people:
        raise DataError(
            f"dataset.path: {UNLABELLED} is also what the photos of dataset.unlabelled are called by; rename the folder"
        )
    synthetic_people, synthetic_photographs = _draw(dataset.synthetic_people, dataset.photos, seed)
    if both := (people | tested).keys() & synthetic_people.keys():
        raise DataError(
            f"dataset.path: {min(both)} is also the name of one of dataset.synthetic_people; rename the folder"
        )
    share = 0 if pairs else dataset.test
    splits = split_people([person for person, count in people.items() if count > 1], dataset.val, share, seed)
    splits |= split_people(synthetic_people, dataset.val, 0, seed)
    splits |= dict.fromkeys(tested, "test")
    require_people_in_each_split(splits)
    of_singles = "train" if pairs or dataset.val + dataset.test < 1 else "test"
    rows = (
        {
            "face_id": f"{identity}/{name}",
            "identity": identity,
            "split": splits.get(identity, of_singles),
            "image": image,
        }
        for identity, name, image in chain(photographs, tested_photographs, synthetic_photographs)
    )
    unlabelled_rows = (
        {"face_id": f"{UNLABELLED}/{path.name}", "identity": None, "split": "train", "image": folder.read(path)}
        for path in unlabelled
    )
    count = sum(sum(some.values()) for some in (people, tested, synthetic_people)) + len(unlabelled)
    return count, chain(rows, unlabelled_rows)


def listed_pairs(dataset: Dataset) -> list[Listed]:
    """Return the pairs of `dataset.pairs`, or of LFW's own list; none where there is no list.

    Raises:
        DataError: if it is no list of pairs.
    """
    if dataset.source == "lfw-pairs":
        from ftlgan.sources import lfw

        lfw.download()
        return read_pairs(lfw.official_pairs())
    return read_pairs(Path(dataset.pairs)) if dataset.has_pairs else []


def _open_listed(dataset: Dataset, pairs: list[Listed]) -> tuple[dict[str, int], Iterable[Photo]]:
    """Return the number of photos of each person of a list, and those photos that it mentions."""
    if not pairs:
        return {}, ()
    place = _place(dataset)
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
            f"dataset.pairs: {dataset.pairs}: none of the photos of its {len(pairs)} pairs, such as {pairs[0].probe}, "
            f"is in {place}; set dataset.path to the folder with its photos"
        )
    return {person: len(photos) for person, photos in chosen.items()}, folder.photographs(place, chosen)


def _place(dataset: Dataset) -> Path:
    """Return the folder of photos of the sources lfw and folder."""
    if not dataset.is_lfw:
        return folder.locate(dataset.path)
    from ftlgan.sources import lfw

    return lfw.download()


def _open(dataset: Dataset, seed: int, left_out: Collection[str]) -> tuple[dict[str, int], Iterable[Photo]]:
    """Return the number of photos of each person of a source but some, and the photos, person after person."""
    if dataset.source != "folder":
        folder.check_unread("dataset.path", dataset.path)
    if dataset.source == "synthetic":
        return _draw(dataset.people, dataset.photos, seed)
    place = _place(dataset)
    album = folder.people(place, dataset.people, dataset.photos, seed, left_out)
    return {person: len(photos) for person, photos in album.items()}, folder.photographs(place, album)


def _open_unlabelled(dataset: Dataset) -> list[Path]:
    """Return the photos of nobody known."""
    if not dataset.has_unlabelled:
        folder.check_unread("dataset.unlabelled", dataset.unlabelled)
        return []
    return folder.unlabelled(
        folder.locate_beside("dataset.unlabelled", dataset.unlabelled, {"dataset.path": dataset.path})
    )


def _draw(people: int | None, photos: int | None, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """Return the same for synthetic people."""
    if not people:
        return {}, ()
    from ftlgan.sources import synthetic

    assert photos, "checked with the params"
    return dict.fromkeys(synthetic.people(people), photos), synthetic.photographs(people, photos, seed)
