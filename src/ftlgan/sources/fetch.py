"""Opens a source of photos, and assigns each person to one split.

If there is a list of pairs, its people are the test people, and nobody else is.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from ftlgan.errors import DataError
from ftlgan.faces import FACES, RAW
from ftlgan.params import Dataset
from ftlgan.sources import Photo, folder
from ftlgan.sources.listed import listed_pairs, open_listed
from ftlgan.sources.place import photos_folder
from ftlgan.sources.records import choose, open_records
from ftlgan.sources.split import require_people_in_each_split, split_people
from ftlgan.verification.pair_list import listed_people

UNLABELLED = "unlabelled"
"""The person in the face_id of an unlabeled photo."""
DAMAGED = "damaged"
"""The person in the face_id of a record that can't be read."""
ALIGNED_SOURCES = ("recordio",)
"""The sources whose photos are aligned faces."""


def fetch(dataset: Dataset, seed: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """Open a source, and assign each person, with all photos, to one split.

    The people of `dataset.synthetic_people` are divided between train and val, so that all others may be in test. The
    shares count only people with two or more photos, because one photo makes no genuine pair. People with one photo are
    in train. If val and test take all people, there is no training: then they are in test, and the stage `align`
    rejects the photo. All photos of `dataset.unlabelled` are in train.

    With a list of pairs, its photos are in test, also those of people with one photo. The other photos of these people
    are in no split. People who are not in the list are divided between train and val; `dataset.only`, `people` and
    `photos` limit them alone.

    Returns:
        The number of photos, and rows of the raw face table (`raw_schema`), in a fixed order. The image of a damaged
        record is empty, and the stage `align` rejects it.

    Raises:
        DataError: if the source can't be opened, has no usable people, or too few for the split.
    """
    pairs = listed_pairs(dataset)
    tested, tested_photographs = open_listed(dataset, pairs)
    people, photographs, damaged = _open(dataset, seed, listed_people(pairs))
    unlabelled = _open_unlabelled(dataset)
    if unlabelled and UNLABELLED in people | tested:
        raise DataError(
            f"dataset.path: the name {UNLABELLED} is reserved for photos of dataset.unlabelled; rename the folder"
        )
    synthetic_people, synthetic_photographs = _draw(dataset.synthetic_people, dataset.photos, seed)
    if both := (people.keys() | tested.keys() | listed_people(pairs)) & synthetic_people.keys():
        raise DataError(
            f"dataset.path: {min(both)} is also the name of one of dataset.synthetic_people; rename the folder"
        )
    share = 0 if pairs else dataset.test
    splits = split_people([person for person, count in people.items() if count > 1], dataset.val, share, seed)
    splits |= split_people(synthetic_people, dataset.val, 0, seed)
    splits |= dict.fromkeys(tested, "test")
    require_people_in_each_split(splits, listed=bool(pairs))
    of_singles = "train" if pairs or dataset.val + dataset.test < 1 else "test"
    aligned = dataset.source in ALIGNED_SOURCES

    def rows(photographs: Iterable[Photo], aligned: bool) -> Iterator[dict[str, Any]]:
        for identity, name, image in photographs:
            split = splits.get(identity, of_singles)
            yield _row(f"{identity}/{name}", identity, split, image, aligned)

    unlabelled_rows = (_row(f"{UNLABELLED}/{path.name}", None, "train", folder.read(path)) for path in unlabelled)
    damaged_rows = (_row(f"{DAMAGED}/{name}", None, "train", b"", aligned) for name in damaged)
    count = sum(sum(some.values()) for some in (people, tested, synthetic_people)) + len(unlabelled) + len(damaged)
    known = rows(photographs, aligned), rows(tested_photographs, False), rows(synthetic_photographs, False)
    return count, chain(*known, unlabelled_rows, damaged_rows)


def raw_schema(dataset: Dataset) -> pa.Schema:
    """Return the schema of the raw face table."""
    return RAW if dataset.source in ALIGNED_SOURCES else FACES


def _row(face_id: str, identity: str | None, split: str, image: bytes, aligned: bool = False) -> dict[str, Any]:
    return {"face_id": face_id, "identity": identity, "split": split, "image": image, "aligned": aligned}


def _open(
    dataset: Dataset, seed: int, left_out: Collection[str]
) -> tuple[dict[str, int], Iterable[Photo], Sequence[str]]:
    """Open a source, without the people `left_out`.

    Returns:
        The number of photos of each person, the photos, person by person, and the names of damaged records.
    """
    if not dataset.reads_path:
        folder.check_unread("dataset.path", dataset.path)
    if dataset.source == "synthetic":
        return *_draw(dataset.people, dataset.photos, seed), ()
    if dataset.source in folder.ARCHIVES:
        records = open_records(dataset.source, folder.locate(dataset.path))
        return *choose(records, dataset.people, dataset.photos, seed), records.damaged
    place = photos_folder(dataset)
    only = folder.names(dataset.only) if dataset.has_only else None
    album = folder.people(place, dataset.people, dataset.photos, seed, left_out, only)
    return {person: len(photos) for person, photos in album.items()}, folder.photographs(place, album), ()


def _open_unlabelled(dataset: Dataset) -> list[Path]:
    """Return the unlabeled photos."""
    if not dataset.has_unlabelled:
        folder.check_unread("dataset.unlabelled", dataset.unlabelled)
        return []
    return folder.unlabelled(
        folder.locate_beside("dataset.unlabelled", dataset.unlabelled, {"dataset.path": dataset.path})
    )


def _draw(people: int | None, photos: int | None, seed: int) -> tuple[dict[str, int], Iterable[Photo]]:
    """Return the number of photos of each synthetic person, and the photos, person by person."""
    if not people:
        return {}, ()
    from ftlgan.sources import synthetic

    assert photos, "the params were checked"
    return dict.fromkeys(synthetic.people(people), photos), synthetic.photographs(people, photos, seed)
