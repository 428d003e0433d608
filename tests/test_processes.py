"""An ordered map over a pool: in order, only a few items ahead, and no exception is lost."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftlgan.processes import map_ahead, worker_pool


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.mark.parametrize("limit", [1, 3, 8, 100])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_results_come_in_the_order_of_the_items(pool: ThreadPoolExecutor, limit: int, count: int) -> None:
    def late(item: int) -> int:
        time.sleep(0.002 * (-item % 4))  # later items are done first
        return item * item

    assert list(map_ahead(pool, late, range(count), limit)) == [item * item for item in range(count)]


def test_results_come_in_order_from_processes_too() -> None:
    with worker_pool(2) as pool:
        assert list(map_ahead(pool, abs, range(-9, 0), 4)) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_no_more_than_the_limit_is_read_before_results_are_taken(pool: ThreadPoolExecutor) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            read.append(item)
            yield item

    results = map_ahead(pool, abs, items(), 5)
    for taken in range(1, 20):
        next(results)
        time.sleep(0.005)  # the pool is idle, and the next item is read only when somebody asks for a result
        assert len(read) == taken + 4


def test_the_items_ahead_are_computed_while_the_consumer_is_busy(pool: ThreadPoolExecutor) -> None:
    together = threading.Barrier(4, timeout=10)
    results = map_ahead(pool, lambda _: together.wait(), range(4), 4)
    assert sorted(results) == [0, 1, 2, 3]  # none would pass the barrier alone


def test_an_exception_reaches_the_caller_in_its_turn(pool: ThreadPoolExecutor) -> None:
    results = map_ahead(pool, lambda item: 6 // item, [1, 2, 0, 3], 4)
    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_exception_of_the_items_reaches_the_caller(pool: ThreadPoolExecutor) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the photos are gone")

    with pytest.raises(OSError, match="gone"):
        list(map_ahead(pool, abs, items(), 1))
