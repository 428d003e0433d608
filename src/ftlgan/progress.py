"""Progress bars. Nothing here can change an output's bytes."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

SECONDS = 4
"""Between the lines of a log file at least, and between those of a bar that stands still."""


class _Bar(tqdm):  # pyright: ignore[reportMissingTypeArgument] - generic in its types alone
    """A bar whose clock goes on where an item takes long, and whose estimate leaves out what comes before the first."""

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
        """Yield the items. Processes start and networks load before the first: its time tells nothing of the others."""
        for number, item in enumerate(items):
            if not number:
                self.last_print_t = self._time()  # pyright: ignore[reportAttributeAccessIssue] - missing in its types
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

    What takes its items in groups should yield them one by one from each group's result, so that the bar counts what is
    done.

    Args:
        items: what to iterate over.
        description: the verb in front of the bar, e.g. `align`.
        total: number of items, where `items` has no length.
        unit: what one item is.
        initial: how many were done before.
        shown: False in all but the first of several processes, whose bars would run into its messages.
    """
    quiet: dict[str, Any] = {} if sys.stderr.isatty() else {"mininterval": SECONDS, "ascii": True}
    return _Bar(
        items, desc=description, total=total, unit=unit, initial=initial, dynamic_ncols=True, disable=not shown, **quiet
    )
