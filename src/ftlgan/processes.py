"""Pools of workers: processes that end with their parent, and an ordered map that reads only a few items ahead."""

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


def available_cores() -> int:
    """Count the cores that this process may use, where the system says; else the cores there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], limit: int
) -> Iterator[Result]:
    """Apply a function to each item in a pool, and yield the results in the order of the items.

    Memory stays bounded however slow the consumer is: an item is read only when fewer than `limit` items wait for their
    results to be taken. From Python 3.14 on, `Executor.map` does the same with `buffersize`.

    `joblib.Parallel(return_as="generator")` (1.6) is not used. It was not faster, `pre_dispatch` does not bound it (it
    computed all 600 items while the consumer was idle), and its processes outlived a killed parent by five minutes.

    Args:
        pool: runs the function.
        function: takes one item; for a pool of processes it must be picklable.
        items: read in this thread, one at a time.
        limit: how many items may be under way or waiting, at least 1.

    Raises:
        Exception: what `function` or `items` raises, when it is that item's turn.
    """
    remaining = iter(items)
    pending = deque[Future[Result]](pool.submit(function, item) for item in islice(remaining, limit))
    while pending:
        yield pending.popleft().result()
        pending.extend(pool.submit(function, item) for item in islice(remaining, 1))


def worker_pool(processes: int, prepare: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Start workers that end when this process does, and not before.

    They are spawned, because a forked child of a program with threads can hang: a script that calls this needs the
    usual `if __name__ == "__main__":`.

    Args:
        processes: how many.
        prepare: called once in each worker before its first task.
        arguments: of `prepare`.
    """
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, spawn, _start, (prepare, arguments))


def _start(prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    """Ctrl-C reaches the workers too, but how to end is the parent's decision."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare:
        prepare(*arguments)


def _end_with_parent() -> None:
    """A parent that is killed can tell its workers nothing, and they would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
