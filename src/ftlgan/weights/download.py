"""Downloads: files are written atomically, checked by SHA-256, and resumed after an interruption."""

import hashlib
import math
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ftlgan.errors import DataError, writing
from ftlgan.progress import progress

MEGABYTE = 10**6
SILENCE = 60
"""Seconds without data after which a connection times out."""


def fetch(url: str, path: Path, sha256: str, instead: str) -> Path:
    """Download a file if it does not exist, and check it in either case.

    An interrupted download is resumed. Two processes must not fetch the same file at once.

    Args:
        url: URL of the file.
        path: path to write, in a folder that exists.
        sha256: expected digest, 64 hexadecimal digits.
        instead: another way out for the user, for the message.

    Raises:
        DataError: if it can't be downloaded, has another digest, or can't be written.
    """
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        with writing(part), part.open("ab") as file:
            for piece in _receive(url, file, f"put it at {path} by hand (its SHA-256 is {sha256}); or {instead}"):
                file.write(piece)
        part.rename(path)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise DataError(f"{path}: has SHA-256 {found}, expected {sha256} of {url}; delete it and run again")
    return path


def _receive(url: str, file: BinaryIO, instead: str) -> Iterator[bytes]:
    """Yield the bytes of `url` that `file` lacks. If the server can't send a part, empty `file` and yield all bytes."""
    start = file.tell()
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response: HTTPResponse
        with urlopen(request, timeout=SILENCE) as response:
            if response.status not in (200, 206):  # a file host that suspects a robot sends 202 and no data
                raise HTTPException(f"{response.status} {response.reason}")
            if response.status == 200:
                file.truncate(0)
            pieces = iter(lambda: response.read(MEGABYTE), b"")
            total = math.ceil(response.length / MEGABYTE) if response.length else None
            yield from progress(pieces, Path(file.name).stem, total, "MB")
            if response.length:  # reading raises no error when the connection ends
                raise HTTPException(f"the connection was cut {response.length:,} bytes before the end")
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError) and error.code == 416:  # the file was already complete
            return
        reason = f"{error.code} {error.reason}" if isinstance(error, HTTPError) else getattr(error, "reason", error)
        raise DataError(
            f"{url}: can't be downloaded ({reason}); run again with a network, and the download resumes; or {instead}"
        ) from None
