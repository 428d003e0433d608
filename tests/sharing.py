"""Folders that all processes of a test run share."""

from collections.abc import Callable
from pathlib import Path

MadeOnce = Callable[[str, Callable[[Path], None]], Path]
"""`made_once(name, make)`: a folder that `make` fills, in whichever process asks for it first. Read only."""

SLOW_FIXTURES = {
    *("photos", "photo", "tables", "kit", "reproduced", "project", "experiments", "server", "draw", "network"),
}
"""A test that uses one of these is slow: it draws photos, runs the pipeline, or starts a server."""
