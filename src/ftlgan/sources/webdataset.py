"""WebDataset: a folder of tar archives, with one photo per sample, and the person in a `.cls` file.

A sample consists of the files with the same name up to the first dot: `0001.jpg`, `0001.cls`. Without `.cls`, the
folder in the name is the person: `ann/0001.jpg`.

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
"""The person, the name, and the offset and length of the photo."""


def open_records(folder: Path) -> Records:
    """Scan the archives of a folder.

    Raises:
        DataError: if there are none, one is damaged, or a sample names no person.
    """
    archives = sorted(folder.glob("*.tar"))
    if not archives:
        raise DataError(f"dataset.path: {folder} has no archives (.tar), which source webdataset reads; put some there")
    shards: list[int] = []
    samples: list[Sample] = []
    for number, archive in enumerate(progress(archives, "look", unit="archive")):
        own = list(_samples(archive))
        samples += own
        shards += [number] * len(own)
    if not samples:
        raise DataError(f"dataset.path: {folder}: its archives have no photos; expected .jpg or .png with .cls")
    people, who = np.unique([person for person, *_ in samples], return_inverse=True)
    files = [os.open(archive, os.O_RDONLY) for archive in archives]  # open until the stage ends

    def read(row: int) -> bytes:
        _, _, offset, size = samples[row]
        return os.pread(files[shards[row]], size, offset)

    return Records(folder, people, who, lambda row: f"{archives[shards[row]].stem}/{samples[row][1]}", read)


def _samples(archive: Path) -> Iterator[Sample]:
    """Yield the photos of an archive.

    Raises:
        DataError: if it is damaged, or a sample names no person.
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
        raise DataError(f"{archive}: is not a complete tar archive ({error}); copy it again") from None
    for key, (path, offset, size) in photo.items():
        who = person.get(key, path.parent.name)
        if not who or "/" in who:
            raise DataError(f"{archive}: {path} names no person; add {key}{PERSON}, or a folder to the name")
        yield who, path.name, offset, size
