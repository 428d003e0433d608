"""WebDataset: a folder of tar archives, a photo a sample, and beside it in `.cls` whom it shows.

A sample is the files that have the same name up to the first dot: `0001.jpg`, `0001.cls`. Without `.cls`, the folder in
the name is the person: `ann/0001.jpg`.

Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from ftlgan.errors import DataError
from ftlgan.photos import SUFFIXES
from ftlgan.progress import progress
from ftlgan.sources.records import Records

PERSON = ".cls"
Sample = tuple[str, str, int, int]
"""Person, name, and where the photo begins and how long it is."""


def open_records(folder: Path) -> Records:
    """Look through the archives of a folder.

    Raises:
        DataError: if there are none, one is damaged, or a sample does not say whom it shows.
    """
    archives = sorted(folder.glob("*.tar"))
    if not archives:
        raise DataError(f"dataset.path: {folder} has no archives (.tar) in it; source webdataset reads those")
    shards: list[int] = []
    samples: list[Sample] = []
    for number, archive in enumerate(progress(archives, "look", unit="archive")):
        own = list(_samples(archive))
        samples += own
        shards += [number] * len(own)
    if not samples:
        raise DataError(f"dataset.path: {folder}: its archives hold no photos; expected .jpg or .png, and .cls beside")
    people, who = np.unique([person for person, *_ in samples], return_inverse=True)
    files = [os.open(archive, os.O_RDONLY) for archive in archives]  # open until the stage ends

    def read(row: int) -> bytes:
        _, _, offset, size = samples[row]
        return os.pread(files[shards[row]], size, offset)

    return Records(folder, people, who, lambda row: f"{archives[shards[row]].stem}/{samples[row][1]}", read)


def _samples(archive: Path) -> Iterator[Sample]:
    """Yield the photos of an archive.

    Raises:
        DataError: if it is damaged, or a sample does not say whom it shows.
    """
    photo: dict[str, tuple[PurePosixPath, int, int]] = {}
    person: dict[str, str] = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                key = str(path.parent / path.name.split(".")[0])
                if not member.isfile():
                    continue
                if path.suffix.lower() in SUFFIXES:
                    photo[key] = path, member.offset_data, member.size
                elif path.suffix == PERSON and (file := tar.extractfile(member)):
                    person[key] = file.read(1000).decode(errors="replace").strip()
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{archive}: is no whole tar archive ({error}); copy it anew") from None
    for key, (path, offset, size) in photo.items():
        who = person.get(key, path.parent.name)
        if not who or "/" in who:
            raise DataError(f"{archive}: {path} does not say whom it shows; expected {key}{PERSON}, or a folder")
        yield who, path.name, offset, size
