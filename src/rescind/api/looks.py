"""Short looks at databases: a request does not wait long for one that is silent, and soon not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeVar

from rescind.errors import TargetUnavailable

LOOK_SECONDS = 2.0

Found = TypeVar("Found")


class Looks:
    """Each look has a thread of its own, which is left behind where it hangs: drivers wait ten seconds and more.

    While one hangs, no other look at the same database is begun: all threads of the API could soon sit there.
    """

    def __init__(self, seconds: float = LOOK_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._hanging: set[str] = set()

    def at(self, name: str, look: Callable[[], Found]) -> Found:
        """What the look finds at the database of that name, or raises. Raises TargetUnavailable where it is silent.

        It runs in another thread, so it may not use what belongs to the request.
        """
        return self._end(name, self._begin(name, look), time.monotonic() + self._seconds)

    def reasons(self, checks: Mapping[str, Callable[[], str | None]]) -> dict[str, str | None]:
        """What each check says, all of them asked at once; of one that is silent, that it is."""
        deadline = time.monotonic() + self._seconds
        begun = {name: self._begin(name, check) for name, check in checks.items()}
        found: dict[str, str | None] = {}
        for name, answer in begun.items():
            try:
                found[name] = self._end(name, answer, deadline, called="It")
            except TargetUnavailable as silent:
                found[name] = str(silent)
        return found

    def _begin(self, name: str, look: Callable[[], Found]) -> Future[Found] | None:
        """None while an earlier look hangs."""
        if name in self._hanging:
            return None
        answer: Future[Found] = Future()
        threading.Thread(target=self._look, args=(name, look, answer), name=f"look at {name}", daemon=True).start()
        return answer

    def _look(self, name: str, look: Callable[[], Found], answer: Future[Found]) -> None:
        try:
            answer.set_result(look())
        except BaseException as error:
            answer.set_exception(error)
        with self._lock:
            self._hanging.discard(name)

    def _end(self, name: str, answer: Future[Found] | None, deadline: float, called: str | None = None) -> Found:
        """The answer; `called` is how the database is called where it is silent."""
        if answer is None:
            raise TargetUnavailable(f"{called or name} does not answer: an earlier question is open still.")
        try:
            return answer.result(max(deadline - time.monotonic(), 0.0))
        except TimeoutError:
            with self._lock:
                if not answer.done():
                    self._hanging.add(name)
                    raise TargetUnavailable(f"{called or name} has not answered within {self._seconds:g} s.") from None
            return answer.result()
