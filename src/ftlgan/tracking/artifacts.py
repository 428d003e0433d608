"""The paths of MLflow's files. MLflow stores absolute paths, which become wrong if a project is renamed or copied."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

FOLDER = "mlartifacts"


def follow_database(database: Path, experiment_id: str) -> str | None:
    """Update the artifact paths of an experiment and its runs after a project has been moved.

    If both the stored folder of a run and its counterpart next to the database exist, the counterpart is used. New runs
    are stored next to the database, unless the user chose another folder: one that exists, belongs to no other
    database, and has no counterpart here.

    Returns:
        A message about the change, or None.
    """
    here = database.parent / FOLDER
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        select = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
        (location,) = connection.execute(select, (experiment_id,)).fetchone()
        old = local_path(location or "")
        select = "SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ? AND instr(artifact_uri, ?) != 1"
        elsewhere = connection.execute(select, (experiment_id, f"{here.as_uri()}/")).fetchall()
        moved = [(new.as_uri(), run_id) for run_id, uri in elsewhere if (new := _counterpart(uri, here))]
        connection.executemany("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", moved)
        if old is None or old.name != FOLDER or _same(old, here) or _is_chosen(old, here, database.name):
            return None
        update = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?"
        connection.execute(update, (here.as_uri(), experiment_id))
    behind = len(elsewhere) - len(moved)
    left = f"; the artifacts of {behind} of its runs are still there, move them by hand" if behind else ""
    return f"{database} was moved from {old.parent}: its artifacts are now in {here}{left}"


def local_path(uri: str) -> Path | None:
    """Return the path of a file URI or a plain path; None for any other URI, and for an empty text."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.hostname in (None, "localhost", "."):
        return Path(url2pathname(parts.path))
    return Path(uri) if uri and len(parts.scheme) < 2 else None  # a scheme of one letter is a drive


def _counterpart(uri: str, here: Path) -> Path | None:
    """Return the folder next to the database that replaces the folder of a run; None if that is still right."""
    old = local_path(uri)
    if old is None or FOLDER not in old.parts:
        return None
    above = len(old.parts) - old.parts[::-1].index(FOLDER)
    new = here.joinpath(*old.parts[above:])
    return new if new.exists() or (here.exists() and not old.exists()) else None


def _is_chosen(old: Path, here: Path, database: str) -> bool:
    return old.exists() and not here.exists() and not (old.parent / database).exists()


def _same(one: Path, other: Path) -> bool:
    """Return whether two paths are equal or lead to the same folder."""
    return one == other or (one.exists() and other.exists() and one.samefile(other))
