"""Labeled Faces in the Wild: 13,233 photos of 5,749 people, as they were found (not funneled), 250 x 250 pixels.

They come once a user, into `~/.cache/ftlgan/lfw` (`$XDG_CACHE_HOME/ftlgan/lfw` where that is set), with the lists of
pairs of the official protocol beside them. DVC does not watch that folder: what comes into it is checked here.

Addresses and checksums are scikit-learn's, which looks after them. The rest of its fetcher won't do, public or private:
it begins a cut download anew, unpacks in place, where a kill leaves a folder that looks whole, and `fetch_lfw_people`
decodes every photo to give arrays.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", UMass technical report 07-49 (2007).
"""

import hashlib
import math
import shutil
import tarfile
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock
from sklearn.datasets import _lfw  # pyright: ignore[reportPrivateUsage] - for what it knows, see above

from ftlgan.cache import cache_folder
from ftlgan.errors import DataError, writing
from ftlgan.progress import progress

MEGABYTE = 10**6
SILENCE = 60
"""Seconds without a byte after which a connection is given up."""


def download() -> Path:
    """Get what is not there yet. What was interrupted goes on where it stopped.

    Returns:
        The folder of photos, with one folder per person.

    Raises:
        DataError: if a file can't be downloaded, has not the right bytes, or can't be written.
    """
    cache = cache_folder("lfw")
    photos = cache / "lfw"
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):  # two pipelines may want the photos at once
        if not photos.exists():
            _unpack(_fetch(_lfw.ARCHIVE, cache), photos)
        (cache / _lfw.ARCHIVE.filename).unlink(missing_ok=True)
        for pairs in _lfw.TARGETS:
            _fetch(pairs, cache)
    return photos


def _fetch(remote: _lfw.RemoteFileMetadata, folder: Path) -> Path:
    """A file of the data set, downloaded if nobody put it there, and checked in either case."""
    path = folder / remote.filename
    if not path.exists():
        part = folder / f"{remote.filename}.part"
        with writing(part), part.open("ab") as file:
            for piece in _receive(remote.url, file, path):
                file.write(piece)
        part.rename(path)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != remote.checksum:
        raise DataError(
            f"{path}: has SHA-256 {found}, where {remote.checksum} is expected of {remote.url}; delete it and run again"
        )
    return path


def _receive(url: str, file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The bytes that `file` lacks to be what is at `url`: all, and it is emptied, if the server can't send a part."""
    start = file.tell()
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response: HTTPResponse
        with urlopen(request, timeout=SILENCE) as response:
            if response.status not in (200, 206):  # a file host that suspects a robot answers 202, and nothing
                raise HTTPException(f"{response.status} {response.reason}")
            if response.status == 200:
                file.truncate(0)
            pieces = iter(lambda: response.read(MEGABYTE), b"")
            total = math.ceil(response.length / MEGABYTE) if response.length else None
            yield from progress(pieces, path.name, total, "MB")
            if response.length:  # reading ends without a word
                raise HTTPException(f"the connection was cut {response.length:,} bytes before the end")
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError) and error.code == 416:  # the file was whole: nothing is left to send
            return
        reason = f"{error.code} {error.reason}" if isinstance(error, HTTPError) else getattr(error, "reason", error)
        raise DataError(
            f"{url}: can't be downloaded ({reason}); run again with a network, and it goes on where it stopped; or put "
            f"it at {path} by hand; or set dataset.source to synthetic or folder"
        ) from None


def _unpack(archive: Path, photos: Path) -> None:
    """Unpack aside: the folder is there whole or not at all."""
    staging = photos.with_name("unpacking")
    with writing(staging):
        if staging.exists():  # of a run that was killed
            shutil.rmtree(staging)
        with tarfile.open(archive) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
            tar.extractall(staging, progress(tar, "unpack", unit="file"))
        (staging / "lfw").rename(photos)
        staging.rmdir()
