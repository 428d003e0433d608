"""Where MLflow's files lie. MLflow keeps absolute paths, which a project that is renamed or copied leaves behind."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

FOLDER = "mlartifacts"


def follow_database(database: Path, experiment_id: str) -> str | None:
    """Let an experiment and its runs name the artifacts beside the database, where the project has been moved.

    Of two folders of a run the one that exists counts, and the one beside the database if both do. New runs go beside
    the database, unless the experiment names a folder elsewhere that exists, belongs to no other database, and has no
    counterpart here: somebody chose it.

    Returns:
        A line on what has changed, or None.
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
    left = f"; {behind} of its runs keep theirs there, move them by hand" if behind else ""
    return f"{database} has come from {old.parent}: its artifacts are in {here} from now on{left}"


def local_path(uri: str) -> Path | None:
    """Return the path that a URI of a file or a plain path names; None for any other URI, and for no path at all."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.hostname in (None, "localhost", "."):
        return Path(url2pathname(parts.path))
    return Path(uri) if uri and len(parts.scheme) < 2 else None  # of one letter: a drive


def _counterpart(uri: str, here: Path) -> Path | None:
    """Return the folder beside the database that takes the place of a run's, or None if that one is still right."""
    old = local_path(uri)
    if old is None or FOLDER not in old.parts:
        return None
    above = len(old.parts) - old.parts[::-1].index(FOLDER)
    new = here.joinpath(*old.parts[above:])
    return new if new.exists() or (here.exists() and not old.exists()) else None


def _is_chosen(old: Path, here: Path, database: str) -> bool:
    return old.exists() and not here.exists() and not (old.parent / database).exists()


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths are one, or lead to one folder."""
    return one == other or (one.exists() and other.exists() and one.samefile(other))
