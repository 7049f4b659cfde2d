"""Pieces that are made and worked on by threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.support.waiting import until

from rescind.errors import Stopped
from rescind.pipeline import in_a_thread, in_order

MOST_AHEAD = 8  #: what is made, worked on or waiting: a few


def never() -> None:
    pass


def double(piece: int) -> int:
    return 2 * piece


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Numbers:
    """Pieces that know how many were made, by which threads, and whether they were closed, by whom."""

    def __init__(self, count: int, *, fault: Exception | None = None) -> None:
        self.count = count
        self.fault = fault
        self.made = 0
        self.threads: set[str] = set()
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for n in range(self.count):
                self.threads.add(threading.current_thread().name)
                self.made += 1
                yield n
            if self.fault:
                raise self.fault
        finally:
            self.threads.add(threading.current_thread().name)
            self.closed = True


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 100])
def test_all_come_in_order_and_few_are_ahead(count: int) -> None:
    numbers = Numbers(count)
    for n, result in enumerate(in_order(iter(numbers), double, never)):
        assert result == 2 * n
        assert numbers.made <= n + MOST_AHEAD
    assert numbers.made == count
    assert numbers.closed


def test_pieces_are_made_by_one_thread_from_begin_to_end() -> None:
    """It is not the one that asks for them, which has a database to feed."""
    numbers = Numbers(100)
    with closing(in_order(iter(numbers), double, never)) as results:
        assert next(results) == 0
    assert numbers.closed
    assert len(numbers.threads) == 1
    assert threading.current_thread().name not in numbers.threads


def test_the_next_are_made_and_worked_on_while_one_is_in_use() -> None:
    numbers, worked = Numbers(100), list[int]()
    with closing(in_order(iter(numbers), worked.append, never)) as results:
        next(results)
        until(lambda: numbers.made > 3 and len(worked) > 1, "what comes next")


def test_what_pieces_raise_ends_it() -> None:
    results: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        results.extend(in_order(iter(Numbers(5, fault=ValueError("broken"))), double, never))
    assert results == [0, 2, 4, 6, 8][: len(results)]


def test_what_the_work_raises_ends_it_at_its_turn() -> None:
    numbers, results = Numbers(100), list[int]()

    def work(piece: int) -> int:
        return 12 // (piece - 4)

    with pytest.raises(ZeroDivisionError):
        results.extend(in_order(iter(numbers), work, never))
    assert results == [-3, -4, -6, -12]
    assert numbers.closed
    assert numbers.made < MOST_AHEAD + 4


@pytest.mark.parametrize("slow", ["pieces", "work"])
def test_it_can_be_stopped_while_something_takes_long(slow: str) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def pieces() -> Iterator[int]:
        if slow == "pieces":
            asked.set()
            go_on.wait(30)
        yield 1

    def work(piece: int) -> int:
        if slow == "work":
            asked.set()
            go_on.wait(30)
        return piece

    def check() -> None:
        if asked.is_set():
            go_on.set()  # the thread ends its piece before it can be left
            raise Stopped("A stop was asked for.")

    with pytest.raises(Stopped):
        list(in_order(pieces(), work, check))


def test_pieces_need_not_be_a_generator() -> None:
    assert list(in_order(iter([1, 2]), double, never)) == [2, 4]


def test_one_call_is_made_by_a_thread_and_can_be_stopped_while_it_takes_long() -> None:
    assert in_a_thread(lambda: threading.current_thread().name, never) != threading.current_thread().name
    with pytest.raises(ZeroDivisionError):
        in_a_thread(lambda: 1 // 0, never)

    asked, go_on = threading.Event(), threading.Event()

    def work() -> None:
        asked.set()
        go_on.wait(30)

    def check() -> None:
        if asked.is_set():
            go_on.set()  # what has begun ends before it is left
            raise Stopped("A stop was asked for.")

    with pytest.raises(Stopped):
        in_a_thread(work, check)
