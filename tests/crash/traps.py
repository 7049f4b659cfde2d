"""Arming failpoints in a forked process, so that each one that acts leaves a line behind."""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.crash.ledgers import BUSY_SECONDS
from tests.crash.scenario import Act, Trap
from tests.crash.world import World

from rescind import failpoints
from rescind.errors import BranchGone, Contradiction, TargetUnavailable, Undecided
from rescind.ledger import tasks, transitions
from rescind.ledger.engine import Ledger
from rescind.transaction import held

STALL_SECONDS = 1.2  #: longer than any lease of a run
DYING = ".dies"  #: the ending of a file's name that asks for a server's death
LONGEST_DEATH_SECONDS = 30.0


def note(path: Path, line: str) -> None:
    """Add a line, whole even if the process is killed the moment after."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def arm(trap: Trap | None, world: World, task_id: str | None) -> None:
    """Arm the trap in this process. What it did is found in `hits`, a stop's answer in `stops`."""
    failpoints.disarm()
    if trap is not None:
        failpoints.arm(trap.point, partial(_act, trap, world, task_id), trap.at)


def _act(trap: Trap, world: World, task_id: str | None) -> None:
    note(world.file("hits"), trap.point)
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
            request_stop(world, task_id)
        case Act.use:
            world.sites["default"].use(world.made)
            world.file("used").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case Act.server:
            assert trap.server is not None
            _let_die(world, trap.server)


def request_stop(world: World, task_id: str) -> None:
    """Ask for a stop on a connection of its own, and note the answer."""
    with closing(Ledger(world.ledger.url, BUSY_SECONDS)) as ledger, ledger.write() as connection:
        answer = transitions.request_stop(connection, task_id)
    note(world.file("stops"), str(answer))


def commit(world: World, task_id: str) -> None:
    """Commit a held task, as a person does; where a target is away, when it is back."""
    with world.open() as parts:
        deadline = time.monotonic() + LONGEST_DEATH_SECONDS
        while time.monotonic() < deadline:
            with parts.ledger.read() as connection:
                task = tasks.get(connection, task_id)
            assert task is not None
            try:
                held.commit(parts.ledger, task, partial(held.expect_whole, parts.ledger, parts.targets, task))
                return
            except (BranchGone, Contradiction) as refused:
                note(world.file("refused"), str(refused))
                return
            except (TargetUnavailable, Undecided):
                time.sleep(0.05)


def _let_die(world: World, server: str) -> None:
    """Have the run, whose child the server is, kill it; go on when it is dead."""
    wish = world.file(f"{server}{DYING}")
    wish.touch()
    deadline = time.monotonic() + LONGEST_DEATH_SECONDS
    while wish.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
