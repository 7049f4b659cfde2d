"""Arming failpoints in a forked process, so that each one that acts leaves a line behind."""

from __future__ import annotations

import errno
import os
import signal
import time
from functools import partial
from pathlib import Path

from tests.crash.scenario import Act, Trap

from rescind import failpoints
from rescind.ledger import transitions
from rescind.ledger.engine import Ledger

STALL_SECONDS = 1.2  #: longer than any lease of a run


def note(path: Path, line: str) -> None:
    """Add a line, whole even if the process is killed the moment after."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def arm(trap: Trap | None, directory: Path, task_id: str | None) -> None:
    """Arm the trap in this process. What it did is found in `hits`, a stop's answer in `stops`."""
    failpoints.disarm()
    if trap is not None:
        failpoints.arm(trap.point, partial(_act, trap, directory, task_id), trap.at)


def _act(trap: Trap, directory: Path, task_id: str | None) -> None:
    note(directory / "hits", trap.point)
    match trap.act:
        case Act.kill:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # delivered at once; nothing after this line may run
        case Act.hang:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Act.stall:
            time.sleep(STALL_SECONDS)
        case Act.fail:
            raise failpoints.Injected(trap.point)
        case Act.lose:
            raise failpoints.ReplyLost(trap.point)
        case Act.outage:
            raise OSError(errno.EIO, "an error that was asked for")
        case Act.stop:
            assert task_id is not None
            request_stop(directory, task_id)


def request_stop(directory: Path, task_id: str) -> None:
    """Ask for a stop on a connection of its own, and note the answer."""
    ledger = Ledger(f"sqlite:///{directory / 'ledger.db'}", busy_seconds=3.0)
    with ledger.write() as connection:
        answer = transitions.request_stop(connection, task_id)
    ledger.close()
    note(directory / "stops", str(answer))
