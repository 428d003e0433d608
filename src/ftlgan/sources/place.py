"""The folder of photos that a source reads: the user's own, or the LFW that was downloaded."""

from pathlib import Path

from ftlgan.params import Dataset
from ftlgan.sources.folder import locate


def photos_folder(dataset: Dataset) -> Path:
    """Return the folder of the sources `folder`, `lfw` and `lfw-pairs`; LFW is downloaded where it is not there yet.

    Raises:
        DataError: if `dataset.path` is no folder, or LFW can't be had.
    """
    if not dataset.is_lfw:
        return locate(dataset.path)
    from ftlgan.sources import lfw

    return lfw.download()
