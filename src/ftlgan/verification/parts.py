"""One file of a table of embeddings, in any format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NAMES = ("identity", "face_id", "split")
"""The columns of names; the first is required, unless a list of pairs tells which are genuine."""


@dataclass(frozen=True, eq=False)
class Part:
    """One file of a table."""

    path: Path
    names: dict[str, NDArray[np.str_]]
    """The columns of names in the file, (N,) each."""
    embeddings: NDArray[np.float32]
    """The embeddings, (N, D); a missing one is a row of NaN."""
    recognizer: dict[str, str]


def shortened(error: BaseException) -> str:
    """Return the message of a library's error in one line of at most 200 letters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def described(recognizer: dict[str, str]) -> str:
    """Describe the recognizer that the metadata of a table gives."""
    if not recognizer:
        return "an unknown recognizer"
    used = f", input {recognizer['preprocessing']}" if "preprocessing" in recognizer else ""
    name = recognizer.get("recognizer", "an unknown recognizer")
    return f"{name}, SHA-256 {recognizer.get('sha256', 'unknown')}{used}"
