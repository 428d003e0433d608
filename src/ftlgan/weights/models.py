"""The sets of trained generators in this package."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ftlgan.errors import WeightsError


@dataclass(frozen=True)
class PackagedSet:
    """A set of generators in this package."""

    resolutions: tuple[int, ...]
    """The width and height of the faces that they restore, pixels."""
    terms: str
    """What they were trained on, and their permitted use."""


SETS = {
    "lfw": PackagedSet((14, 28, 56), "trained on Labeled Faces in the Wild, for research"),
    "free": PackagedSet((56,), "trained on synthetic people, for any purpose"),
}


def packaged_models(name: str) -> dict[int, Path]:
    """Return the files of a set by resolution.

    Args:
        name: a name in `SETS`.

    Raises:
        WeightsError: if there is no such set.
    """
    if name not in SETS:
        raise WeightsError(f"weights {name!r}: is neither a packaged set nor a file; use {', '.join(SETS)} or a file")
    folder = Path(str(files("ftlgan.weights"))) / name
    return {res: folder / f"{res}.safetensors" for res in SETS[name].resolutions}


def description_of(path: Path) -> dict[str, Any]:
    """Return the description of a generator in its file: its resolution `res`, its size, the `teachers` in its loss.

    Raises:
        WeightsError: if the file is missing, or is not an FTLGAN generator.
    """
    try:
        with safe_open(path, "numpy") as file:
            description = json.loads((file.metadata() or {})["ftlgan"])
            if isinstance(description["res"], int):
                return description
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file") from None
    except (OSError, SafetensorError):
        raise WeightsError(f"{path}: is not a whole safetensors file") from None
    except (KeyError, TypeError, ValueError):
        pass
    raise WeightsError(f"{path}: holds no FTLGAN generator (no 'ftlgan' in its metadata)")
