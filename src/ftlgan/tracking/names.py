"""Convert names to those that MLflow accepts."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from ftlgan.params import leaves

T = TypeVar("T")


def flatten(params: Mapping[str, Any]) -> dict[str, str]:
    """Return nested params in MLflow's form: `{"train": {"steps": 800}}` becomes `{"train.steps": "800"}`."""
    return mended({name: str(value) for name, value in leaves(params)})


def mended(values: Mapping[str, T]) -> dict[str, T]:
    """Return the same values under names that MLflow accepts."""
    return {mend(name): value for name, value in values.items()}


def mend(name: str) -> str:
    """Return a similar name that MLflow accepts on every system: `d'` becomes `d_prime`, `FNMR@1e-3` `FNMR_1e-3`."""
    parts = re.sub(r"[^\w./ -]", "_", name.replace("'", "_prime")[:250]).split("/")
    return "/".join(part for part in parts if part.strip(".")) or "_"
