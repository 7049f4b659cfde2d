"""The supervisor of `rescind up`: keeps the processes of one home alive until it is told to end them.

It knows command lines and process numbers, nothing of what the processes do. It has one thread and handles
signals by waiting for them, so that nothing in it can be interrupted half-way.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rescind.worker.kept import Command, Kept, spawn
from rescind.worker.tail import Tail

STOP_SECONDS = 8.0  #: after this, whoever is still there is killed
TICK_SECONDS = 0.1

_LEAVE = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_SIGNALS = _LEAVE | {signal.SIGCHLD}


class Supervisor:
    """Runs `first` to its end, then keeps `commands` alive, each with its log in `logs`.

    `say` is told, in words, whatever a person should know. `healthy` is asked until it says yes, then `ready` is
    called, once. With `tail`, what the processes log is repeated on standard error.
    """

    def __init__(self, first: Command, commands: Sequence[Command], logs: Path, say: Callable[[str], None]) -> None:
        self._first = first
        self._children = [Kept(command, logs) for command in commands]
        self._logs = logs
        self._say = say

    def run(self, healthy: Callable[[], bool], ready: Callable[[], None], tail: bool = False) -> int:
        """Returns 0 after SIGTERM, SIGINT or SIGHUP, when all is ended; or the exit code of a `first` that failed."""
        self._logs.mkdir(exist_ok=True)
        with _signals_held():
            code = self._run_first()
            if code is not None:
                return code
            repeat = Tail([child.log for child in self._children]) if tail else None
            try:
                self._keep(healthy, ready, repeat)
            finally:
                self._stop()
        return 0

    def _run_first(self) -> int | None:
        """None to go on; else the exit code to leave with."""
        process = spawn(self._first.argv)
        while process.poll() is None:
            if _next_signal() in _LEAVE:
                process.kill()
                process.wait()
                return 0
        return process.returncode or None

    def _keep(self, healthy: Callable[[], bool], ready: Callable[[], None], repeat: Tail | None) -> None:
        is_ready = False
        for child in self._children:
            child.start()
        while _next_signal() not in _LEAVE:
            for child in self._children:
                self._revive(child)
            if not is_ready and healthy():
                is_ready = True
                ready()
            if repeat:
                repeat.copy()

    def _revive(self, child: Kept) -> None:
        if end := child.ended():
            self._say(f"{end}. Its log: {child.log}")
        if not child.running and time.monotonic() >= child.due:
            child.start()

    def _stop(self) -> None:
        """End the processes in order; all of them are gone when this returns.

        The API goes first, so that nothing new is accepted, and the sweeper last. A second signal ends the patience.
        """
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            child.terminate()
            if _told_again(child, min(deadline, time.monotonic() + child.command.grace_seconds)):
                deadline = 0.0
        for child in self._children:
            if _told_again(child, deadline):
                deadline = 0.0
        for child in self._children:
            child.kill()


def _told_again(child: Kept, deadline: float) -> bool:
    """Wait for the child's end, at most until `deadline`; True if another signal to leave came meanwhile."""
    while child.running and time.monotonic() < deadline:
        if _next_signal() in _LEAVE:
            return True
    return False


@contextmanager
def _signals_held() -> Iterator[None]:
    """Keep the signals for `_next_signal`; children are started without this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next_signal() -> int | None:
    """The next signal, or None after a tick."""
    received = signal.sigtimedwait(_SIGNALS, TICK_SECONDS)
    return received.si_signo if received else None
