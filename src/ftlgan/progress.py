"""Progress bars. Nothing here can change an output's bytes."""

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T],
    description: str,
    total: int | None = None,
    unit: str = "face",
    initial: int = 0,
    shown: bool = True,
) -> "tqdm[T]":
    """Wrap an iterable in a progress bar: redrawn in place on a terminal, a line every 10 s in a log file.

    Args:
        items: what to iterate over.
        description: the verb in front of the bar, e.g. `align`.
        total: number of items, where `items` has no length.
        unit: what one item is.
        initial: how many were done before.
        shown: False in all but the first of several processes, whose bars would run into its messages.
    """
    quiet: dict[str, Any] = {} if sys.stderr.isatty() else {"mininterval": 10, "ascii": True}
    return tqdm(
        items, desc=description, total=total, unit=unit, initial=initial, dynamic_ncols=True, disable=not shown, **quiet
    )
