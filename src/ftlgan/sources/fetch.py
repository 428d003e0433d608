"""Open a source of photos, and give each person to one split."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ftlgan.errors import DataError
from ftlgan.params import Dataset
from ftlgan.sources import Photo, folder
from ftlgan.sources.split import require_people_in_each_split, split_people

UNLABELLED = "unlabelled"
"""In the face_id of a photo of nobody known in place of a person."""


def fetch(dataset: Dataset, seed: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Open a source, and give each person, with all photos, to one split.

    The people of `dataset.synthetic_people` are divided between train and val, so that all others may be in the test.
    The shares are of the people with two photos or more, because one photo makes no genuine pair. People with one photo
    train. Where the shares leave nobody to train on, nobody is to be trained on: then they are in the test, and the
    stage `align` rejects the photo. The photos of `dataset.unlabelled` all train.

    Returns:
        The number of photos, and rows of the raw face table (`ftlgan.faces.FACES`), in a fixed order.

    Raises:
        DataError: if the source can't be had, holds no usable people, or too few for the split.
    """
    people, photographs = _open(dataset, seed)
    unlabelled = _open_unlabelled(dataset)
    if unlabelled and UNLABELLED in people:
        raise DataError(
            f"dataset.path: {UNLABELLED} is also what the photos of dataset.unlabelled are called by; rename the folder"
        )
    synthetic_people, synthetic_photographs = _draw(dataset.synthetic_people, dataset.photos, seed)
    if both := people.keys() & synthetic_people.keys():
        raise DataError(
            f"dataset.path: {min(both)} is also the name of one of dataset.synthetic_people; rename the folder"
        )
    splits = split_people([person for person, count in people.items() if count > 1], dataset.val, dataset.test, seed)
    splits |= split_people(synthetic_people, dataset.val, 0, seed)
    require_people_in_each_split(splits)
    of_singles = "train" if dataset.val + dataset.test < 1 else "test"
    rows = (
        {
            "face_id": f"{identity}/{name}",
            "identity": identity,
            "split": splits.get(identity, of_singles),
            "image": image,
        }
        for identity, name, image in chain(photographs, synthetic_photographs)
    )
    unlabelled_rows = (
        {"face_id": f"{UNLABELLED}/{path.name}", "identity": None, "split": "train", "image": folder.read(path)}
        for path in unlabelled
    )
    count = sum(people.values()) + sum(synthetic_people.values()) + len(unlabelled)
    return count, chain(rows, unlabelled_rows)


def _open(dataset: Dataset, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """Return the number of photos of each person of a source, and the photos, person after person."""
    if dataset.source != "folder":
        folder.check_unread("dataset.path", dataset.path)
    if dataset.source == "synthetic":
        return _draw(dataset.people, dataset.photos, seed)
    if dataset.source == "lfw":
        from ftlgan.sources import lfw

        place = lfw.download()
    else:
        place = folder.locate(dataset.path)
    album = folder.people(place, dataset.people, dataset.photos, seed)
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
