"""Worker processes that end with their parent, and an ordered parallel map that reads only a few items ahead."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


_used_cores: int | None = None
"""The limit of `use_cores`."""


def use_cores(count: int) -> None:
    """Let `available_cores` return `count` in this process, because others use the rest."""
    global _used_cores  # noqa: PLW0603 - a property of the process
    _used_cores = count


def available_cores() -> int:
    """Return the number of cores that this process may use or, if the system does not say, the number of all cores."""
    if _used_cores is not None:
        return _used_cores
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], limit: int
) -> Iterator[Result]:
    """Apply a function to each item in a pool, and yield the results in the order of the items.

    Memory stays bounded even if the consumer is slow: an item is read only if fewer than `limit` results are pending.
    From Python 3.14 on, `Executor.map` does the same with `buffersize`.

    `joblib.Parallel(return_as="generator")` (1.6) is not used. It was not faster, `pre_dispatch` does not bound it (it
    computed all 600 items while the consumer was idle), and its processes outlived a killed parent by five minutes.

    Args:
        pool: runs the function.
        function: takes one item; it must be picklable for a pool of processes.
        items: items, read in this thread, one at a time.
        limit: maximum number of items in progress or waiting, at least 1.

    Raises:
        Exception: any error of `function` or `items`, when that item is due.
    """
    remaining = iter(items)
    pending = deque[Future[Result]](pool.submit(function, item) for item in islice(remaining, limit))
    while pending:
        yield pending.popleft().result()
        pending.extend(pool.submit(function, item) for item in islice(remaining, 1))


def worker_pool(processes: int, prepare: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Start workers that end with this process, even if it is killed.

    They are spawned, because a forked child of a program with threads can hang. So a script that calls this needs
    `if __name__ == "__main__":`.

    Args:
        processes: number of workers.
        prepare: called once in each worker before its first task.
        arguments: arguments of `prepare`.
    """
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, spawn, _start, (prepare, arguments))


def _start(prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    """Prepare a worker. It ignores Ctrl-C, because the parent decides how to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare:
        prepare(*arguments)


def _end_with_parent() -> None:
    """Exit when the parent ends. A killed parent can't stop its workers, which would wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
