"""A read in a thread of its own, to be cancelled while the database thinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from rescind.targets.target import Catalog

ENDED_SECONDS = 30.0


@contextmanager
def reading(catalog: Catalog, table: str) -> Iterator[tuple[Callable[[], None], Future[int]]]:
    """How the read is cancelled, and what becomes of it: the number of its rows, if it comes to its end."""
    told = threading.Event()
    cancels: list[Callable[[], None]] = []

    def cancellable(cancel: Callable[[], None]) -> None:
        cancels.append(cancel)
        told.set()

    def read() -> int:
        with catalog.rows(table, cancellable=cancellable) as batches:
            return sum(batch.num_rows for batch in batches)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(read)
        assert told.wait(ENDED_SECONDS)
        yield cancels[0], future
