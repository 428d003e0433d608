"""Pools of processes, for what holds Python's global lock while it computes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def available_cores() -> int:
    """Count the cores that this process may use, where the system says; else the cores there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
