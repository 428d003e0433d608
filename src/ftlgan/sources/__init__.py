"""Where raw photos come from, and who trains and who tests."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from ftlgan.errors import DataError
from ftlgan.params import Dataset

Photo = tuple[str, str, bytes]
"""Identity, file name, and the encoded image as the camera left it."""


def fetch(dataset: Dataset, seed: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Open a source, and give each person, with all photos, to one split.

    Strangers, who are drawn, are divided between train and val, so that all the others may be in the test.

    Returns:
        The number of photos, and rows of the raw face table (`ftlgan.faces.FACES`), in a fixed order.

    Raises:
        DataError: if the source can't be had, holds no usable people, or too few for the split.
    """
    people, photographs = _open(dataset, seed)
    strangers, drawn = _draw(dataset.strangers, dataset.photos, seed)
    if both := people.keys() & strangers.keys():
        raise DataError(f"dataset.path: {min(both)} is also the name of one of dataset.strangers; rename the folder")
    # Somebody with one photo makes no pair and ends in the rejects: the shares are of the others.
    splits = split_people([person for person, count in people.items() if count > 1], dataset.val, dataset.test, seed)
    splits |= split_people(strangers, dataset.val, 0, seed)
    _check_splits(splits)
    rows = (
        {"face_id": f"{identity}/{name}", "identity": identity, "split": splits.get(identity, "train"), "image": image}
        for identity, name, image in chain(photographs, drawn)
    )
    return sum(people.values()) + sum(strangers.values()), rows


def _open(dataset: Dataset, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """The number of photos of each person of a source, and the photos, person after person."""
    if dataset.source == "synthetic":
        return _draw(dataset.people, dataset.photos, seed)
    from ftlgan.sources import folder

    if dataset.source == "lfw":
        from ftlgan.sources import lfw

        place = lfw.download()
    else:
        place = folder.locate(dataset.path)
    album = folder.people(place, dataset.people, dataset.photos, seed)
    return {person: len(photos) for person, photos in album.items()}, folder.photographs(album)


def _draw(people: int | None, photos: int | None, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """The same of people who do not exist."""
    if not people:
        return {}, ()
    from ftlgan.sources import synthetic

    assert photos, "checked with the params"
    return dict.fromkeys(synthetic.people(people), photos), synthetic.photographs(people, photos, seed)


def shuffled(people: Iterable[str], seed: int) -> list[str]:
    """People in an order that depends on the seed, where one person more or less leaves the others in order."""
    return sorted(people, key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest())


def split_people(people: Iterable[str], val: float, test: float, seed: int) -> dict[str, str]:
    """Assign each person, with all photos, to train, val or test.

    A share that is not 0 is of two people at least, or there is no impostor pair. The test comes first where people are
    too few, then val.

    Args:
        people: identities.
        val: share of people for validation.
        test: share of people for the test.
    """
    order = shuffled(people, seed)
    n_test, n_val = (max(2, round(share * len(order))) if share else 0 for share in (test, val))
    names = ["test"] * n_test + ["val"] * n_val + ["train"] * len(order)
    return dict(zip(order, names, strict=False))


def _check_splits(splits: dict[str, str]) -> None:
    count = Counter(splits.values())
    train, val, test = (count[split] for split in ("train", "val", "test"))
    if min(train, val, test) < 2:
        raise DataError(
            f"dataset: {len(splits)} people with 2 photos or more leave {train} to train on beside {val} for val and "
            f"{test} for test, and each needs 2; add people, photos or dataset.strangers, or change dataset.val or test"
        )
