"""The last rung of the stop ladder: a thread in the children's parent that kills a child which hears nothing.

A child that hangs in C code, GIL and all, hears no watchdog, and the sweeper can end only the session that the
child had in the database. This thread kills the child itself; recovery then finds a dead worker.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.ledger import tasks
from rescind.ledger.engine import Ledger
from rescind.process import ProcessId
from rescind.telemetry.logs import log
from rescind.transaction.problem import places, said
from rescind.worker.lease import Unchanged

KILL_SECONDS = 20.0
LOOK_SECONDS = 1.0

#: Held while this process is inside the ledger's driver. A fork in such a moment would hand the child a
#: locked mutex that nobody unlocks, so forks wait for it.
_in_driver = threading.Lock()
os.register_at_fork(before=_in_driver.acquire, after_in_parent=_in_driver.release, after_in_child=_in_driver.release)


def start(open_ledger: Callable[[], Ledger], ended: threading.Event | None = None) -> threading.Thread:
    """Start the guard, until `ended` is set. It opens a ledger of its own, which must not wait long for others."""
    watch = (open_ledger, ended or threading.Event())
    thread = threading.Thread(target=_watch, args=watch, name="guard", daemon=True)
    thread.start()
    return thread


def _watch(open_ledger: Callable[[], Ledger], ended: threading.Event) -> None:
    ledger: Ledger | None = None
    asked = Unchanged()
    while not ended.wait(LOOK_SECONDS):
        try:
            if ledger is None:
                with _in_driver:
                    ledger = open_ledger()
            _look(ledger, asked)
        except Exception as error:
            # A guard that ended by one surprise would leave each child that hangs afterwards hanging for ever.
            _tell(error)


def _look(ledger: Ledger, asked: Unchanged) -> None:
    """Kill the children that have been asked to stop for long and have not moved."""
    with _in_driver, ledger.read() as connection:
        active = tasks.in_states(connection, State.running, State.aborting)
    stuck = [task for task in active if task.stop_requested]
    for task in stuck:
        # A rollback that comes on, which beats, is no disobedience.
        undoing = task.beat if task.state is State.aborting else None
        if asked.seconds(task.id, (task.attempt, undoing)) >= KILL_SECONDS:
            try:
                kill_child(task)
            except Exception as error:  # those behind it are to be killed all the same
                _tell(error)
    asked.keep({task.id for task in stuck})


def _tell(error: Exception) -> None:
    log.warning("guard.failed", error=said(error), where=places(error))


def kill_child(task: Task) -> None:
    """Kill the task's worker if it is a child of this process."""
    if task.worker is None:
        return
    worker = ProcessId.parse(task.worker)
    if _parent(worker.pid) == os.getpid():
        log.warning("guard.kills", task=task.id, attempt=task.attempt, pid=worker.pid)
        worker.kill()


def _parent(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[1])
