"""The folder of photos that a source reads: the user's own, or the downloaded LFW."""

from pathlib import Path

from ftlgan.params import Dataset
from ftlgan.sources.folder import locate


def photos_folder(dataset: Dataset) -> Path:
    """Return the folder of the sources `folder`, `lfw` and `lfw-pairs`. LFW is downloaded if it is missing.

    Raises:
        DataError: if `dataset.path` is not a folder, or LFW can't be downloaded.
    """
    if not dataset.is_lfw:
        return locate(dataset.path)
    from ftlgan.sources import lfw

    return lfw.download()
