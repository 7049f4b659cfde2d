"""What SQLite's errors mean for a task: sorted by SQLite's own result code, never by the message's text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from rescind.errors import (
    ConstraintViolated,
    RescindError,
    StatementRefused,
    TargetBusy,
    TargetConflict,
    TargetError,
    TargetFull,
    TargetUnavailable,
)

_KINDS: dict[int, type[RescindError]] = {
    sqlite3.SQLITE_BUSY: TargetBusy,
    sqlite3.SQLITE_FULL: TargetFull,
    sqlite3.SQLITE_AUTH: StatementRefused,
    sqlite3.SQLITE_CONSTRAINT: ConstraintViolated,
    sqlite3.SQLITE_MISMATCH: ConstraintViolated,  # text for an INTEGER PRIMARY KEY
    sqlite3.SQLITE_TOOBIG: ConstraintViolated,
    sqlite3.SQLITE_INTERRUPT: TargetConflict,
    sqlite3.SQLITE_ABORT: TargetConflict,
    sqlite3.SQLITE_LOCKED: TargetConflict,
    sqlite3.SQLITE_SCHEMA: TargetConflict,
    sqlite3.SQLITE_NOMEM: TargetConflict,
    sqlite3.SQLITE_CANTOPEN: TargetUnavailable,
    sqlite3.SQLITE_READONLY: TargetUnavailable,
    sqlite3.SQLITE_IOERR: TargetUnavailable,
    sqlite3.SQLITE_NOTADB: TargetUnavailable,
    sqlite3.SQLITE_CORRUPT: TargetUnavailable,
    sqlite3.SQLITE_PERM: TargetUnavailable,
    sqlite3.SQLITE_PROTOCOL: TargetUnavailable,
}


def known(error: sqlite3.Error) -> RescindError | None:
    """Our error for an outage, a lock, a constraint or a refused statement; None for a faulty statement."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else _KINDS.get(code & 0xFF)  # the low byte is the primary result code
    return None if kind is None else kind(f"SQLite: {error} ({error.sqlite_errorname}).")


@contextmanager
def translated() -> Iterator[None]:
    """Let errors of `rescind.errors` out of the block, and no others of SQLite's."""
    try:
        yield
    except sqlite3.Error as error:
        raise (known(error) or TargetError(f"SQLite: {error}.")) from error
