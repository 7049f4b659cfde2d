"""The processes that the supervisor keeps: how one is started, what its end means, how it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rescind.process import die_with_parent

LOG_BYTES = 10 * 1024**2  #: a longer log is put aside when its process starts
EARLY_SECONDS = 5.0  #: who leaves by itself sooner than this after its start has not really started
LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class Command:
    """A process to keep alive. `grace_seconds`: how long its end may hold up the end of the next one."""

    name: str
    argv: tuple[str, ...]
    grace_seconds: float = 1.0


class Kept:
    """One command and the process that runs it at present."""

    def __init__(self, command: Command, logs: Path) -> None:
        self.command = command
        self.log = logs / f"{command.name}.log"
        self.due = 0.0  #: not to be started before this, by the monotonic clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._early = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        rotate(self.log)
        with self.log.open("ab") as log:
            self._process = spawn(self.command.argv, log.fileno())
        self._started = time.monotonic()

    def ended(self) -> str | None:
        """How the process ended, in words, if it did since the last call; plans when to start the next one.

        Who was killed is started again at once. Who leaves by itself right after its start would only do so
        again: it gets a longer pause each time.
        """
        if self._process is None or self.running:
            return None
        process, self._process = self._process, None
        pause = self._pause(process.returncode)
        self.due = time.monotonic() + pause
        when = f"in {pause:.0f} s" if pause >= 1 else "again"
        return f"rescind {self.command.name} (process {process.pid}) {_end(process.returncode)}; starting it {when}"

    def _pause(self, code: int) -> float:
        killed = code == -signal.SIGKILL
        early = time.monotonic() - self._started < EARLY_SECONDS
        self._early = 0 if killed or not early else self._early + 1
        return min(0.25 * 2 ** (self._early - 1), LONGEST_PAUSE_SECONDS) if self._early else 0.0

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None and self.running:
            self._process.terminate()

    def kill(self) -> None:
        """End it, and all that it started in its process group."""
        if self._process is not None and self.running:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def spawn(argv: tuple[str, ...], output: int | None = None) -> subprocess.Popen[bytes]:
    """Start a process that the kernel kills when this one ends. To be called from the main, and only, thread.

    `output` is a file descriptor for both output streams; None lets the child write to ours.
    """
    parent = os.getpid()

    def in_child() -> None:
        die_with_parent(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # A group of its own: Ctrl-C at the terminal reaches the supervisor alone, which ends the others in order.
        start_new_session=True,
        # Only between fork and exec is there no moment in which the parent's death goes unnoticed. What makes
        # preexec_fn dangerous are threads, and the supervisor has none.
        preexec_fn=in_child,  # noqa: PLW1509
    )


def rotate(log: Path) -> None:
    """Put a long log aside; one such is kept."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.replace(log.with_name(log.name + ".1"))


def _end(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"left with exit code {code}"
