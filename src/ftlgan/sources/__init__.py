"""Where raw photos come from, and who trains and who tests."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from ftlgan.errors import DataError
from ftlgan.params import Dataset

Photo = tuple[str, str, bytes]
"""Identity, file name, and the encoded image as the camera left it."""


def fetch(dataset: Dataset, seed: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Open a source, and give each person, with all photos, to one split.

    Returns:
        The number of photos, and rows of the raw face table (`ftlgan.faces.FACES`), in a fixed order.

    Raises:
        DataError: if the source holds no usable people, or too few for the split.
    """
    photos, photographs = _open(dataset, seed)
    # Somebody with one photo makes no pair and ends in the rejects: the shares are of the others.
    splits = split_people([person for person, count in photos.items() if count > 1], dataset.val, dataset.test, seed)
    rows = (
        {"face_id": f"{identity}/{name}", "identity": identity, "split": splits.get(identity, "train"), "image": image}
        for identity, name, image in photographs
    )
    return sum(photos.values()), rows


def _open(dataset: Dataset, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """The number of photos of each person of a source, and the photos, person after person."""
    if dataset.source == "folder":
        from ftlgan.sources import folder

        album = folder.people(folder.locate(dataset.path), dataset.people, dataset.photos, seed)
        return {person: len(photos) for person, photos in album.items()}, folder.photographs(album)
    from ftlgan.sources import synthetic

    assert dataset.people and dataset.photos, "checked with the params"
    people = dict.fromkeys(synthetic.people(dataset.people), dataset.photos)
    return people, synthetic.photographs(dataset.people, dataset.photos, seed)


def shuffled(people: Iterable[str], seed: int) -> list[str]:
    """People in an order that depends on the seed, where one person more or less leaves the others in order."""
    return sorted(people, key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest())


def split_people(people: Iterable[str], val: float, test: float, seed: int) -> dict[str, str]:
    """Assign each person, with all photos, to train, val or test.

    Args:
        people: identities.
        val: share of people for validation; at least two people, or there is no impostor pair.
        test: share of people for the test; at least two people likewise.

    Raises:
        DataError: if too few people are left to train on.
    """
    order = shuffled(people, seed)
    n_test = max(2, round(test * len(order)))
    n_val = max(2, round(val * len(order)))
    n_train = len(order) - n_test - n_val
    if n_train < 2:
        raise DataError(
            f"dataset: {len(order)} people leave {max(0, n_train)} to train on beside {n_val} for val and {n_test} "
            "for test, and 2 are needed; add people or lower dataset.val and dataset.test"
        )
    names = ["test"] * n_test + ["val"] * n_val + ["train"] * n_train
    return dict(zip(order, names, strict=True))
