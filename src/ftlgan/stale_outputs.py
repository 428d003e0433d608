"""Removes stale outputs: those of methods, models or judges that params.yaml no longer names."""

import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from ftlgan.repository import stages_in

LOCK = Path("dvc.lock")


def remove_stale_outputs(folder: Path, named: Collection[str]) -> None:
    """Remove the outputs in children of a folder that are not named, and folders that become empty.

    A stage that reads all of `folder` depends on everything in it. DVC would hash stale outputs with the rest, so the
    same params would give other hashes in dvc.lock than in a clone. Only paths that dvc.lock lists as outputs are
    removed, because DVC can restore them; every other file stays.

    Args:
        folder: a folder in dvc.lock, relative to the project. An output may be a child of it, or deeper.
        named: the names of the children to keep.
    """
    if not folder.is_dir() or all(child.name in named for child in folder.iterdir()):
        return
    for output in sorted(_locked_outputs()):
        if folder not in output.parents or output.relative_to(folder).parts[0] in named:
            continue
        parents = [parent for parent in output.parents if folder in parent.parents]  # the deepest first
        if not os.path.lexists(output) or any(parent.is_symlink() for parent in parents):
            continue
        print(f"{output}: removed, because params.yaml no longer names it", flush=True)
        if output.is_dir() and not output.is_symlink():
            shutil.rmtree(output)
        else:
            output.unlink()
        for parent in parents:
            if not any(parent.iterdir()):
                parent.rmdir()


def _locked_outputs() -> Iterator[Path]:
    """Yield the paths of all outputs that dvc.lock lists; none if it is missing or is not a lock file."""
    try:
        paths = [Path(output["path"]) for stage in stages_in(LOCK).values() for output in stage.get("outs", ())]
    except (KeyError, TypeError):
        return
    yield from (path for path in paths if ".." not in path.parts)
