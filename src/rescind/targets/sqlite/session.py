"""One connection of a branch, under a name by which any process can tell whether it is gone.

The name is the process and a serial number in it. Ending a session of this process closes the connection;
ending one of another process is SIGKILL, because a stopped writer keeps SQLite's lock until it dies.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote
from weakref import WeakSet

from rescind.errors import TargetConflict, TransactionBroken
from rescind.process import Life, ProcessId

BUSY_SECONDS = 5.0  #: how long reads and short writes wait for a lock
END_SECONDS = 0.5  #: how long ending a session of our own waits for its running statement


def uri(path: Path, mode: str) -> str:
    """`mode` is `rw` (the file must exist) or `rwc` (it is made)."""
    return f"file:{quote(str(path))}?mode={mode}"


class Cursor(sqlite3.Cursor):
    """Runs statements only in the session's transaction, and none after a cancel.

    SQLite rolls back by itself on an interrupt, a full disk or OR ROLLBACK; whatever a function then went on
    to write would be committed statement by statement.
    """

    connection: Session

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        with self.connection.turn():
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Self:
        with self.connection.turn():
            return super().executemany(sql, parameters)

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        with self.connection.turn():
            return super().executescript(script)


class Session(sqlite3.Connection):
    """A connection that a branch owns. Another thread may cancel and end it."""

    name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cancelled = False
        self._begun = False
        self._lock = threading.RLock()
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, factory: Any = None) -> Any:
        self.expect_alive()
        cursor = super().cursor(Cursor)
        self._cursors.add(cursor)
        return cursor

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """As the cursor's: the driver's own shortcut would go past it."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """As the cursor's."""
        return self.cursor().executemany(sql, parameters)

    def executescript(self, script: str, /) -> Any:
        """As the cursor's."""
        return self.cursor().executescript(script)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the connection for one statement. Raises TargetConflict after a cancel, TransactionBroken."""
        with self._lock:
            self.expect_alive()
            if self._begun and not self.in_transaction:
                raise TransactionBroken("The transaction has ended before the task did.")
            yield

    def expect_alive(self) -> None:
        """Raise TargetConflict after a cancel or an end."""
        if self.cancelled:
            raise TargetConflict("The statement was not run: the session has been cancelled.")

    def begin(self) -> None:
        """BEGIN IMMEDIATE; from now on every statement must find the transaction open."""
        self.execute("BEGIN IMMEDIATE")
        self._begun = True

    def finish_statements(self) -> None:
        """Reset every statement: one that was read half-way blocks RELEASE and survives a close."""
        for cursor in list(self._cursors):
            cursor.close()

    def cancel(self) -> None:
        """Let no further statement start, and interrupt the running one. Never raises."""
        self.cancelled = True
        with suppress(sqlite3.Error):
            self.interrupt()

    def roll_back(self) -> bool:
        """Take the transaction back; whether none is open now. Never raises."""
        if not self._lock.acquire(timeout=END_SECONDS):
            return False
        try:
            self.set_authorizer(None)
            self.finish_statements()
            if self.in_transaction:
                super().cursor().execute("ROLLBACK")
            return not self.in_transaction
        except sqlite3.ProgrammingError:
            return self.name not in _open  # closed already, or a cursor that another thread is fetching from
        except sqlite3.Error:
            return False
        finally:
            self._lock.release()

    def end(self) -> bool:
        """Close the connection and whatever it holds; whether it is proven closed. Never raises."""
        self.cancel()
        if not self._lock.acquire(timeout=END_SECONDS):
            return False
        try:
            if not self.roll_back():
                return False
            self.close()
            _open.pop(self.name, None)
        except sqlite3.Error:
            return False
        else:
            return True
        finally:
            self._lock.release()


_open: dict[str, Session] = {}
_serials = itertools.count(1)
_inherited: list[Session] = []


def _after_fork() -> None:
    # The parent's connections are not ours to close: even the garbage collector's close would act on its files.
    _inherited.extend(_open.values())
    _open.clear()


os.register_at_fork(after_in_child=_after_fork)


def open_session(path: Path, busy_seconds: float) -> Session:
    """Connect to the file, which must exist. Raises sqlite3.Error."""
    session = sqlite3.connect(
        uri(path, "rw"),
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,  # the watchdog interrupts and recovery closes from their own threads
        factory=Session,
    )
    session.name = f"{ProcessId.current()}|{next(_serials)}"
    _open[session.name] = session
    return session


def end(name: str) -> Life:
    """End the session of that name and say what is known of it then. Raises ValueError for no session's name."""
    process = ProcessId.parse(name.rpartition("|")[0])
    if process != ProcessId.current():
        return process.kill()
    session = _open.get(name)
    return Life.gone if session is None or session.end() else Life.alive
