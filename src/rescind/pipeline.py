"""Work on pieces by threads, with the results in the pieces' order and few of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeAlias, TypeVar

_THREADS = 2
#: Pieces begun and not yet asked for. More would only take memory.
_AHEAD = 3
_CHECK_SECONDS = 0.1
_END = object()

P = TypeVar("P")
R = TypeVar("R")

#: Called now and then while something takes long; raises, and so ends it, where nobody wants it any more.
Check: TypeAlias = Callable[[], None]


def in_order(pieces: Iterator[P], work: Callable[[P], R], check: Check) -> Generator[R, None, None]:
    """`work` of each piece. `check` is called for each piece and while one is waited for, and may raise.

    What `work` raises is raised when its turn comes, and ends all, as what `pieces` raises does. Whoever leaves before
    the end closes it: no thread is left then, and `pieces` is closed.
    """
    pending: deque[Future[R]] = deque()
    with closing(_ahead(pieces, check)) as taken, ThreadPoolExecutor(_THREADS, "work") as pool:
        try:
            for piece in taken:
                check()
                pending.append(pool.submit(work, piece))
                if len(pending) == _AHEAD:
                    yield _result(pending.popleft(), check)
            while pending:
                yield _result(pending.popleft(), check)
        finally:
            for future in pending:
                future.cancel()


def in_a_thread(work: Callable[[], R], check: Check) -> R:
    """What one call returns. `check` is called while it is waited for, and may raise: when the call has ended."""
    with ThreadPoolExecutor(1, "work") as pool:
        return _result(pool.submit(work), check)


def _ahead(items: Iterator[P], check: Check) -> Generator[P, None, None]:
    """The same, made by a thread: whoever asks for them has something better to do, as to feed a database.

    All of `items` runs in that thread, its end too: some libraries' objects are bound to the one that made them.
    """
    pending: deque[Future[P | object]] = deque()
    with ThreadPoolExecutor(1, "pieces") as pool:
        try:
            pending.extend(pool.submit(next, items, _END) for _ in range(_AHEAD))
            while (item := _result(pending.popleft(), check)) is not _END:
                pending.append(pool.submit(next, items, _END))
                yield item  # type: ignore[misc]  # all but _END are the items
        finally:
            for future in pending:
                future.cancel()
            if isinstance(items, Generator):
                pool.submit(items.close).result()


def _result(future: Future[R], check: Check) -> R:
    while True:
        check()
        try:
            return future.result(_CHECK_SECONDS)
        except TimeoutError:
            continue
