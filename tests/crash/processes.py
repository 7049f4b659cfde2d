"""Forked processes: they die with the run, and everything they say goes into the run's log."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rescind.process import die_with_parent

END_SECONDS = 10.0  #: a process that is told to end, or has nothing left to do, has gone by then
_LOOK_SECONDS = 0.008


@dataclass
class Process:
    """One child. `code` is how it ended: an exit code, or minus a signal's number."""

    name: str
    pid: int
    code: int | None = None
    hung: bool = False
    woken: bool = field(default=False)

    def look(self) -> None:
        """Take notice of its end, and of its being stopped."""
        if self.code is not None:
            return
        pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            return
        if os.WIFSTOPPED(status):
            self.hung = True
        else:
            self.code = os.waitstatus_to_exitcode(status)
            self.hung = False

    @property
    def at_work(self) -> bool:
        return self.code is None and not self.hung

    def signal(self, number: int) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def wake(self) -> None:
        """Let a stopped process go on."""
        if self.hung:
            self.hung = False
            self.woken = True
            self.signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill it and wait."""
        self.signal(signal.SIGKILL)
        if self.code is None:
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        self.hung = False


def fork(name: str, act: Callable[[], None], log: Path) -> Process:
    """Run `act` in a child. Its exit code is 0, or 1 if `act` raised."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return Process(name, pid)
    code = 1
    try:
        die_with_parent(parent)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        act()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)  # what the parent has registered for its own end is not the child's to run


def in_child(log: Path, act: Callable[[], None]) -> Process:
    """Run `act` in a child to its end."""
    process = fork("story", act, log)

    def gone() -> bool:
        process.look()
        return process.code is not None

    assert wait_for(gone, END_SECONDS)
    return process


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the fact holds; False if it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
