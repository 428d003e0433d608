"""Files of weights that params.yaml names by a path or a URL, and by their SHA-256."""

from pathlib import Path

from ftlgan.errors import WeightsError
from ftlgan.weights.cache import locked
from ftlgan.weights.download import fetch
from ftlgan.weights.packaged import sha256_of


def find_weights(key: str, file: str, sha256: str, cached: Path, otherwise: str) -> Path:
    """Find a file and check its digest. A URL is downloaded once per user.

    Args:
        key: the entry of params.yaml that names it, for messages.
        file: a path or a URL.
        sha256: expected digest, 64 hexadecimal digits.
        cached: the path of the download.
        otherwise: how to do without the file, for messages.

    Raises:
        DataError: if it can't be downloaded.
        WeightsError: if there is no such file, or it has another digest.
    """
    if "://" in file:
        with locked(cached.parent):
            return fetch(file, cached, sha256, otherwise)
    path = Path(file)
    if not path.is_file():
        raise WeightsError(
            f"{key}.file: {path}: there is no such file; put it there (SHA-256 {sha256}), or {otherwise}"
        )
    found = sha256_of(path)
    if found != sha256:
        raise WeightsError(
            f"{path}: has SHA-256 {found}, expected {sha256}; get it again, or if you have replaced the file, set "
            f"{key}.sha256"
        )
    return path
