"""What one attempt hears and tells: interruptions from the watchdog, progress to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rescind.domain.task import Progress
from rescind.errors import Fenced, Interruption


class Control:
    """Shared by the thread that works and the watchdog beside it.

    The watchdog calls `interrupt`; the worker calls `check` before each batch and before the decision, because
    a cancel that arrives between two statements does nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interruption: Interruption | None = None
        self._cancels: list[Callable[[], None]] = []
        self._left: Callable[[], int | None] | None = None
        self.progress = Progress()

    @property
    def interruption(self) -> Interruption | None:
        return self._interruption

    def interrupt(self, why: Interruption) -> None:
        """End the attempt: note why, and cancel what runs in the databases. May be called again and again.

        Fenced wins over every other reason: a fenced attempt may not even roll back by the ledger.
        """
        with self._lock:
            if self._interruption is None or isinstance(why, Fenced):
                self._interruption = why
            for cancel in self._cancels:
                cancel()

    def check(self) -> None:
        """Raise the interruption, if there is one."""
        if self._interruption is not None:
            raise self._interruption

    def on_interrupt(self, cancel: Callable[[], None]) -> None:
        """Have `cancel` called at every interrupt."""
        with self._lock:
            self._cancels.append(cancel)

    @contextmanager
    def cancellable(self) -> Iterator[Callable[[Callable[[], None]], None]]:
        """Have each cancel that is given to what this yields called at every interrupt while the block runs."""
        given: list[Callable[[], None]] = []

        def give(cancel: Callable[[], None]) -> None:
            given.append(cancel)
            self.on_interrupt(cancel)

        try:
            yield give
        finally:
            with self._lock:
                self._cancels = [cancel for cancel in self._cancels if cancel not in given]

    def forget_cancels(self) -> None:
        """From here on nothing is cancelled: the branches are closed, or about to be decided.

        Under the lock: a cancel on its way would otherwise cut off a commit that is already decided.
        """
        with self._lock:
            self._cancels.clear()

    @contextmanager
    def undoing(self, left: Callable[[], int | None]) -> Iterator[None]:
        """While the attempt rolls back, `left` tells the watchdog how many rows are still to be taken back."""
        self._left = left
        try:
            yield
        finally:
            self._left = None

    def left_to_undo(self) -> int | None:
        """None where nothing is being rolled back, or no database tells."""
        left = self._left
        return None if left is None else left()
