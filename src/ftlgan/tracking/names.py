"""Names as MLflow takes them."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from ftlgan.params import leaves

T = TypeVar("T")


def flatten(params: Mapping[str, Any]) -> dict[str, str]:
    """Return nested params as MLflow wants them: `{"train": {"steps": 800}}` is `{"train.steps": "800"}`."""
    return mended({name: str(value) for name, value in leaves(params)})


def mended(values: Mapping[str, T]) -> dict[str, T]:
    """Return the same values under names that MLflow takes."""
    return {mend(name): value for name, value in values.items()}


def mend(name: str) -> str:
    """Return the nearest name that MLflow takes on every system: `d'` becomes `d_prime`, `FNMR@1e-3` `FNMR_1e-3`."""
    parts = re.sub(r"[^\w./ -]", "_", name.replace("'", "_prime")[:250]).split("/")
    return "/".join(part for part in parts if part.strip(".")) or "_"
