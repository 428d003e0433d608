"""A file of a table of embeddings, whatever its format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NAMES = ("identity", "face_id", "split")
"""Columns of names; the first has to be there, unless a list says which pairs are genuine."""


@dataclass(frozen=True, eq=False)
class Part:
    """A file of a table."""

    path: Path
    names: dict[str, NDArray[np.str_]]
    """The columns of names that there are, (N,) each."""
    embeddings: NDArray[np.float32]
    """(N, D); a row of NaN where there is none."""
    recognizer: dict[str, str]


def shortened(error: BaseException) -> str:
    """Return the message of a library's error in one line of 200 letters at most."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def described(recognizer: dict[str, str]) -> str:
    """Say who made embeddings, as the metadata of their table does."""
    if not recognizer:
        return "nobody knows whom"
    used = f", of faces as {recognizer['preprocessing']}" if "preprocessing" in recognizer else ""
    return f"{recognizer.get('recognizer', 'nobody knows whom')}, SHA-256 {recognizer.get('sha256', 'unknown')}{used}"
