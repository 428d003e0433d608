"""Labeled Faces in the Wild: 13,233 original (not funneled) photos of 5,749 people, 250 x 250 pixels.

They are downloaded once per user, into `~/.cache/ftlgan/lfw` (or `$XDG_CACHE_HOME/ftlgan/lfw`), with the official lists
of pairs. DVC does not track that folder, so this module checks every download.

The URLs and checksums are those of scikit-learn. Its `fetch_lfw_people` can't be used: it restarts an interrupted
download, unpacks in place, so that a killed run leaves a folder that looks complete, and decodes all photos.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", UMass technical report 07-49 (2007).
"""

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ftlgan.errors import writing
from ftlgan.progress import progress
from ftlgan.weights.cache import cache_folder
from ftlgan.weights.download import fetch


@dataclass(frozen=True)
class RemoteFile:
    """A file of the data set."""

    name: str
    url: str
    sha256: str


ARCHIVE = RemoteFile(
    "lfw.tgz",
    "https://ndownloader.figshare.com/files/5976018",
    "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
)
PAIR_LISTS = (
    RemoteFile(
        "pairsDevTrain.txt",
        "https://ndownloader.figshare.com/files/5976012",
        "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
    ),
    RemoteFile(
        "pairsDevTest.txt",
        "https://ndownloader.figshare.com/files/5976009",
        "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
    ),
    RemoteFile(
        "pairs.txt",
        "https://ndownloader.figshare.com/files/5976006",
        "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
    ),
)


VIEW_2 = "pairs.txt"
"""The official list of 6,000 pairs in ten folds, on which results are reported."""


def official_pairs() -> Path:
    """Return the path of the list of 6,000 pairs. Call `download` first."""
    return cache_folder("lfw") / VIEW_2


def download() -> Path:
    """Download the missing files. An interrupted download is resumed.

    Returns:
        The folder of photos, with one folder per person.

    Raises:
        DataError: if a file can't be downloaded, has another digest, or can't be written.
    """
    cache = cache_folder("lfw")
    photos = cache / "lfw"
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):  # two pipelines may download at once
        if not photos.exists():
            _unpack(_fetch(ARCHIVE, cache), photos)
        (cache / ARCHIVE.name).unlink(missing_ok=True)
        for pair_list in PAIR_LISTS:
            _fetch(pair_list, cache)
    return photos


def _fetch(remote: RemoteFile, folder: Path) -> Path:
    """Return the path of a file of the data set in `folder`, downloaded if it is missing."""
    return fetch(remote.url, folder / remote.name, remote.sha256, "set dataset.source to null")


def _unpack(archive: Path, photos: Path) -> None:
    """Unpack into another folder and rename it, so that `photos` is complete or missing."""
    staging = photos.with_name("unpacking")
    with writing(staging):
        if staging.exists():  # from a killed run
            shutil.rmtree(staging)
        with tarfile.open(archive) as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
            tar.extractall(staging, progress(tar, "unpack", unit="file"))
        (staging / "lfw").rename(photos)
        staging.rmdir()
