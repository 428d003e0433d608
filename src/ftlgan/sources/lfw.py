"""Labeled Faces in the Wild: 13,233 photos of 5,749 people, as they were found (not funneled), 250 x 250 pixels.

They come once a user, into `~/.cache/ftlgan/lfw` (`$XDG_CACHE_HOME/ftlgan/lfw` where that is set), with the lists of
pairs of the official protocol beside them. DVC does not watch that folder: what comes into it is checked here.

Addresses and checksums are scikit-learn's, which looks after them. The rest of its fetcher won't do, public or private:
it begins a cut download anew, unpacks in place, where a kill leaves a folder that looks whole, and `fetch_lfw_people`
decodes every photo to give arrays.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", UMass technical report 07-49 (2007).
"""

import shutil
import tarfile
from pathlib import Path

from filelock import FileLock
from sklearn.datasets import _lfw  # pyright: ignore[reportPrivateUsage] - for what it knows, see above

from ftlgan.cache import cache_folder
from ftlgan.download import fetch
from ftlgan.errors import writing
from ftlgan.progress import progress


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
    """A file of the data set."""
    return fetch(remote.url, folder / remote.filename, remote.checksum, "set dataset.source to synthetic or folder")


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
