"""What DVC leaves behind: the outputs of a method, model or judge that is no longer named in params.yaml."""

import shutil
from collections.abc import Collection
from pathlib import Path


def remove_leftovers(folder: Path, named: Collection[str]) -> None:
    """Remove the folders that are in `folder` beside those named.

    A stage that reads them all depends on `folder`: DVC would hash what is left over with the rest, and the same params
    would have other hashes in dvc.lock than in a clone. What is removed here is still in DVC's cache.
    """
    for left in folder.iterdir():
        if left.is_dir() and left.name not in named:
            shutil.rmtree(left)
