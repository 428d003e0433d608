"""Open a source of photos, and give each person to one split."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from ftlgan.errors import DataError
from ftlgan.params import Dataset
from ftlgan.sources import Photo
from ftlgan.sources.split import require_people_in_each_split, split_people


def fetch(dataset: Dataset, seed: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Open a source, and give each person, with all photos, to one split.

    The people of `dataset.synthetic_people` are divided between train and val, so that all others may be in the test.

    Returns:
        The number of photos, and rows of the raw face table (`ftlgan.faces.FACES`), in a fixed order.

    Raises:
        DataError: if the source can't be had, holds no usable people, or too few for the split.
    """
    people, photographs = _open(dataset, seed)
    synthetic_people, synthetic_photographs = _draw(dataset.synthetic_people, dataset.photos, seed)
    if both := people.keys() & synthetic_people.keys():
        raise DataError(
            f"dataset.path: {min(both)} is also the name of one of dataset.synthetic_people; rename the folder"
        )
    # Somebody with one photo makes no pair and ends in the rejects: the shares are of the others.
    splits = split_people([person for person, count in people.items() if count > 1], dataset.val, dataset.test, seed)
    splits |= split_people(synthetic_people, dataset.val, 0, seed)
    require_people_in_each_split(splits)
    rows = (
        {"face_id": f"{identity}/{name}", "identity": identity, "split": splits.get(identity, "train"), "image": image}
        for identity, name, image in chain(photographs, synthetic_photographs)
    )
    return sum(people.values()) + sum(synthetic_people.values()), rows


def _open(dataset: Dataset, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """Return the number of photos of each person of a source, and the photos, person after person."""
    from ftlgan.sources import folder

    if dataset.source != "folder":
        folder.check_unread(dataset.path)
    if dataset.source == "synthetic":
        return _draw(dataset.people, dataset.photos, seed)
    if dataset.source == "lfw":
        from ftlgan.sources import lfw

        place = lfw.download()
    else:
        place = folder.locate(dataset.path)
    album = folder.people(place, dataset.people, dataset.photos, seed)
    return {person: len(photos) for person, photos in album.items()}, folder.photographs(place, album)


def _draw(people: int | None, photos: int | None, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """Return the same for synthetic people."""
    if not people:
        return {}, ()
    from ftlgan.sources import synthetic

    assert photos, "checked with the params"
    return dict.fromkeys(synthetic.people(people), photos), synthetic.photographs(people, photos, seed)
