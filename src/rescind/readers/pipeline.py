"""Work on pieces by two threads, with the results in the pieces' order and few of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_THREADS = 2
#: Pieces begun and not yet asked for. More would only take memory.
_AHEAD = 3
_CHECK_SECONDS = 0.1

P = TypeVar("P")
R = TypeVar("R")


def in_order(pieces: Iterator[P], work: Callable[[P], R], check: Callable[[], None]) -> Generator[R, None, None]:
    """`work` of each piece. `check` is called for each piece and while one is waited for, and may raise.

    What `work` raises is raised when its turn comes, and ends all. Whoever leaves before the end closes it: no thread
    is left then.
    """
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(_THREADS, "reader") as pool:
        try:
            for piece in pieces:
                check()
                pending.append(pool.submit(work, piece))
                if len(pending) == _AHEAD:
                    yield _result(pending.popleft(), check)
            while pending:
                yield _result(pending.popleft(), check)
        finally:
            for future in pending:
                future.cancel()


def _result(future: Future[R], check: Callable[[], None]) -> R:
    while True:
        check()
        try:
            return future.result(_CHECK_SECONDS)
        except TimeoutError:
            continue
