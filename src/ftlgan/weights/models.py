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

    terms: str
    """What they were trained on, and their permitted use."""
    digests: dict[int, str]
    """The SHA-256 of each generator, by the width and height of the faces that it restores, pixels. With them, other
    weights are other code, on which a training that starts from them depends."""


SETS = {
    "lfw": PackagedSet(
        "trained on Labeled Faces in the Wild, for research",
        {
            14: "ced4a5d500c7e2bd1f70f276eabd7228bdef8095d643559f4cdc39ca7efdb150",
            28: "028aac1b35209ccd78a2938f026a4a13cf665562576f02ba8d79e2649b2b9d4b",
            56: "9e7eba1f3d7c7b449dfa32538c1f3f4418bfe8d2f2753b0c7dd7c01b68f66d60",
        },
    ),
    "free": PackagedSet(
        "trained on synthetic people, for any purpose",
        {56: "e50cc6d49981985283199fbd7c908b5a08cc681bcf8b421147f7c0739853dca0"},
    ),
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
    return {res: folder / f"{res}.safetensors" for res in SETS[name].digests}


def people_of(name: str) -> frozenset[str]:
    """Return the names of the people on whom a set was trained and validated; none if they do not exist."""
    path = Path(str(files("ftlgan.weights"))) / name / "people.txt"
    return frozenset(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else frozenset()


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
