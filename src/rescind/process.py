"""The identity of an operating-system process: enough to tell it from a later one with the same number."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Life(StrEnum):
    """What can be known of a process from here."""

    alive = "alive"
    gone = "gone"
    unknown = (
        "unknown"  #: it runs, or ran, where we cannot look: another machine, an earlier boot, another pid namespace
    )


@dataclass(frozen=True)
class ProcessId:
    """One process: host, boot, pid namespace, pid and start time (clock ticks since boot).

    The number alone is not an identity: after a restart it may belong to the user's own application
    (PROTOCOL, session identity).
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> ProcessId:
        pid = os.getpid()
        started = _start_time(pid)
        assert started is not None
        return cls(*_here(), pid, started)

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """The inverse of `str()`; raises ValueError for anything else."""
        host, boot, namespace, pid, started = text.split("|")
        return cls(host, boot, namespace, int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.host}|{self.boot}|{self.namespace}|{self.pid}|{self.started}"

    def life(self) -> Life:
        """Whether the process is alive. A zombie that only waits to be reaped counts as gone."""
        # Another boot may be this machine's last one, or run now on a clone, with our hostname and even our machine-id.
        if (self.host, self.boot, self.namespace) != _here():
            return Life.unknown
        return Life.alive if _start_time(self.pid) == self.started else Life.gone

    def kill(self) -> Life:
        """Send SIGKILL if, and only if, it is this very process; says what was known after that."""
        if self.life() is not Life.alive:
            return self.life()
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return Life.gone
        try:
            # The handle pins the process: compare again through it, so that a recycled number is never hit.
            if _start_time(self.pid) == self.started:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return Life.gone
        finally:
            os.close(handle)
        return self.life()


def _here() -> tuple[str, str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname(), boot, str(Path("/proc/self/ns/pid").readlink())


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name stands in brackets and may itself hold blanks and brackets: split after the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process with -9 when its parent ends, however the parent ends.

    The signal comes when the THREAD that started this process ends: start children from the main thread.
    `parent` is the parent's number where the parent handed it down; it tells of a parent that ended even before
    this call began.
    """
    parent = os.getppid() if parent is None else parent
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the call: nobody will send the signal any more
        os.kill(os.getpid(), signal.SIGKILL)
