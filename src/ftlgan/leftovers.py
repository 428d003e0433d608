"""What DVC leaves behind: the outputs of a method, model or judge that is no longer named in params.yaml."""

import shutil
from collections.abc import Collection
from pathlib import Path

LOCK = Path("dvc.lock")


def remove_leftovers(folder: Path, named: Collection[str]) -> None:
    """Remove from a folder what DVC once put there, beside what is named.

    A stage that reads all of `folder` depends on it: DVC would hash what is left over with the rest, and the same
    params would have other hashes in dvc.lock than in a clone. Only what dvc.lock knows is removed, for DVC can bring
    that back; what somebody else has put there stays.
    """
    made = LOCK.read_text() if LOCK.is_file() else ""
    for left in sorted(folder.iterdir()) if folder.is_dir() else ():
        if left.name not in named and f"path: {left.as_posix()}\n" in made:
            print(f"{left}: nothing in params.yaml is of this name any more: removed", flush=True)
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()
