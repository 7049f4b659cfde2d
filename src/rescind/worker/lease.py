"""Judging from outside whether somebody is still at work. A matter of speed, never of safety."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from rescind.domain.task import Task
from rescind.process import Life, ProcessId


class Unchanged:
    """How long this process has seen the same value under a name, by its own monotonic clock.

    No wall clock takes part, so that a clock that jumps kills nobody.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Hashable, float]] = {}

    def seconds(self, name: str, value: Hashable) -> float:
        """Seconds since this value was first seen under the name; 0 at the first time and after a change."""
        now = self._clock()
        seen, since = self._seen.get(name, (None, now))
        if seen != value:
            since = now
        self._seen[name] = (value, since)
        return now - since

    def restart(self) -> None:
        """Begin every count anew."""
        self._seen.clear()

    def keep(self, names: set[str]) -> None:
        """Forget all other names."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}


def worker_is_gone(task: Task) -> bool:
    """Whether the task's worker is known, on this machine, to have ended. False where nothing is known."""
    return task.worker is not None and ProcessId.parse(task.worker).life() is Life.gone
