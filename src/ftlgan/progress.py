"""Progress bars. They never change the bytes of an output."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

SECONDS = 4
"""Minimum time between the lines of a log file, and time between updates of a stalled bar."""


class _Bar(tqdm):  # pyright: ignore[reportMissingTypeArgument] - generic only in its type stubs
    """A bar whose clock runs on during a slow item, and whose estimate ignores the time before the first item."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._closed, self._displayed_at = threading.Event(), time.monotonic()
        super().__init__(*arguments, **options)
        if not self.disable:
            threading.Thread(target=self._refresh_until_closed, daemon=True).start()

    def __iter__(self) -> Iterator[Any]:
        if not self.disable:
            self.iterable = self._timed_from_first(self.iterable)
        return super().__iter__()

    def _timed_from_first(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, and reset the clock at the first: before it, processes start and networks load."""
        for number, item in enumerate(items):
            if not number:
                self.last_print_t = self._time()  # pyright: ignore[reportAttributeAccessIssue] - not in its stubs
            yield item

    def close(self) -> None:
        self._closed.set()
        super().close()

    def display(self, *arguments: Any, **options: Any) -> Any:
        self._displayed_at = time.monotonic()
        return super().display(*arguments, **options)

    def _refresh_until_closed(self) -> None:
        while not self._closed.wait(max(0, self._displayed_at + SECONDS - time.monotonic())):
            if time.monotonic() >= self._displayed_at + SECONDS:
                self.refresh()


def progress(
    items: Iterable[T],
    description: str,
    total: int | None = None,
    unit: str = "face",
    initial: int = 0,
    shown: bool = True,
) -> "tqdm[T]":
    """Wrap an iterable in a progress bar: redrawn in place on a terminal, a line every 4 s in a log file.

    Code that processes items in groups should wrap the single results, so that the bar counts finished items.

    Args:
        items: items to iterate over.
        description: verb in front of the bar, e.g. `align`.
        total: number of items, if `items` has no length.
        unit: name of one item.
        initial: number of items that were done before.
        shown: False hides the bar. Of several processes, only the first should show one.
    """
    quiet: dict[str, Any] = {} if sys.stderr.isatty() else {"mininterval": SECONDS, "ascii": True}
    return _Bar(
        items, desc=description, total=total, unit=unit, initial=initial, dynamic_ncols=True, disable=not shown, **quiet
    )
