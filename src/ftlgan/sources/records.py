"""The common form of archives of photos: records that name the person in each photo."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ftlgan.sources import Photo
from ftlgan.sources.split import choose_people


@dataclass(frozen=True)
class Records:
    """The photos of an archive, before any is read."""

    place: Path
    """The folder of the archive, for messages."""
    people: np.ndarray
    """str (P,), in alphabetical order."""
    who: np.ndarray
    """int (N,): the person in each photo, as a row of `people`."""
    name: Callable[[int], str]
    """Returns the name of a photo, unique for its person."""
    read: Callable[[int], bytes]
    """Returns an encoded photo."""
    damaged: tuple[str, ...] = ()
    """The names of records whose person can't be read."""


def open_records(source: str, folder: Path) -> Records:
    """Scan an archive.

    Args:
        source: `recordio` or `webdataset`.
        folder: folder of the archive.

    Raises:
        DataError: if it can't be read.
    """
    from ftlgan.sources import recordio, webdataset

    return (recordio if source == "recordio" else webdataset).open_records(folder)


def choose(
    records: Records, most_people: int | None, most_photos: int | None, seed: int
) -> tuple[dict[str, int], Iterator[Photo]]:
    """Choose people and photos as `ftlgan.sources.folder.people` does.

    Returns:
        The number of photos of each person, people in alphabetical order, and the photos, person by person.
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
