"""What archives of photos have in common: records of which each says whom it shows."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ftlgan.sources import Photo
from ftlgan.sources.split import choose_people


@dataclass(frozen=True)
class Records:
    """The photos of an archive, none of them read yet."""

    place: Path
    """The folder of the archive, for messages."""
    people: np.ndarray
    """str (P,), in alphabetical order."""
    who: np.ndarray
    """int (N,): the person in each photo, as a row of `people`."""
    name: Callable[[int], str]
    """Gives the name of a photo within those of its person."""
    read: Callable[[int], bytes]
    """Reads a photo, encoded."""
    damaged: tuple[str, ...] = ()
    """The names of records of which not even the person can be read."""


def open_records(source: str, folder: Path) -> Records:
    """Look through an archive.

    Args:
        source: `recordio` or `webdataset`.
        folder: of the archive.

    Raises:
        DataError: if it can't be read.
    """
    from ftlgan.sources import recordio, webdataset

    return (recordio if source == "recordio" else webdataset).open_records(folder)


def choose(
    records: Records, most_people: int | None, most_photos: int | None, seed: int
) -> tuple[dict[str, int], Iterator[Photo]]:
    """Choose people and photos, by name and seed alone, as `ftlgan.sources.folder.people` does.

    Returns:
        The number of photos of each person, people in alphabetical order, and the photos, person after person.
    """
    order = np.argsort(records.who, kind="stable")
    ends = np.cumsum(np.bincount(records.who, minlength=len(records.people)))
    rows = dict(zip(records.people.tolist(), np.split(order, ends[:-1]), strict=True))
    chosen = choose_people({name: len(own) for name, own in rows.items()}, most_people, seed)
    print(f"{records.place}: {len(chosen)} of {len(rows)} people", file=sys.stderr)
    used = {name: rows[name][:most_photos] for name in chosen}
    return {name: len(own) for name, own in used.items()}, _photographs(records, used)


def _photographs(records: Records, rows: Mapping[str, np.ndarray]) -> Iterator[Photo]:
    for person, own in rows.items():
        for row in own.tolist():
            yield person, records.name(row), records.read(row)
