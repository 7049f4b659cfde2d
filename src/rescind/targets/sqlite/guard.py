"""What a task's own statements may do: read and change rows of the user's tables, and nothing else."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Any, NoReturn

import sqlalchemy as sa

from rescind.domain.schema import hidden
from rescind.errors import StatementRefused

_ROWS = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_HARMLESS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})

#: PRAGMAs that only read, whatever their argument.
_SCHEMA_PRAGMAS = frozenset({
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
    "foreign_key_check", "database_list", "collation_list", "function_list", "compile_options",
})  # fmt: skip

#: PRAGMAs that only read as long as they have no argument.
_STATE_PRAGMAS = frozenset({
    "application_id", "encoding", "foreign_keys", "freelist_count", "journal_mode", "page_count", "page_size",
    "read_uncommitted", "schema_version", "synchronous", "user_version",
})  # fmt: skip

_NAMES = {
    getattr(sqlite3, f"SQLITE_{word}"): word.replace("_", " ")
    for word in (
        "TRANSACTION", "SAVEPOINT", "ATTACH", "DETACH", "PRAGMA", "ALTER_TABLE", "REINDEX", "ANALYZE",
        "CREATE_INDEX", "CREATE_TABLE", "CREATE_TEMP_TABLE", "CREATE_TRIGGER", "CREATE_VIEW", "CREATE_VTABLE",
        "DROP_INDEX", "DROP_TABLE", "DROP_TRIGGER", "DROP_VIEW", "DROP_VTABLE", "READ", "INSERT", "UPDATE", "DELETE",
    )
}  # fmt: skip


class Guard:
    """SQLite's authorizer for the task's statements. It remembers the first refusal: swallowing the error is vain."""

    def __init__(self) -> None:
        self.refused: str | None = None

    def authorize(
        self, action: int, first: str | None, second: str | None, database: str | None, by: str | None
    ) -> int:
        """Called by SQLite for every part of a statement that it compiles."""
        if _allowed(action, first, second):
            return sqlite3.SQLITE_OK
        self._remember(" ".join(filter(None, (_NAMES.get(action, f"action {action}"), first, second))))
        return sqlite3.SQLITE_DENY

    def refuse(self, what: str) -> NoReturn:
        self._remember(what)
        self.check()
        raise AssertionError

    def check(self) -> None:
        """Raise StatementRefused if anything was refused before."""
        if self.refused is not None:
            raise StatementRefused(f"A task may not run this: {self.refused}.")

    def _remember(self, what: str) -> None:
        self.refused = self.refused or what


class GuardedConnection(sa.Connection):
    """SQLAlchemy's connection without the methods that would end or nest the transaction, or close it."""

    def __init__(self, engine: sa.Engine, guard: Guard) -> None:
        super().__init__(engine)
        self._guard = guard
        # To SQLAlchemy too a transaction is open from the start: outside of one it rolls back after any error.
        super().begin()

    def commit(self) -> NoReturn:
        self._guard.refuse("commit()")

    def rollback(self) -> NoReturn:
        self._guard.refuse("rollback()")

    def begin(self) -> NoReturn:
        self._guard.refuse("begin()")

    def begin_nested(self) -> NoReturn:
        self._guard.refuse("begin_nested()")

    def begin_twophase(self, xid: Any | None = None) -> NoReturn:
        self._guard.refuse("begin_twophase()")

    def close(self) -> None:
        self._guard.refuse("close()")

    def invalidate(self, exception: BaseException | None = None) -> NoReturn:
        self._guard.refuse("invalidate()")

    def detach(self) -> NoReturn:
        self._guard.refuse("detach()")

    def __exit__(self, kind: type[BaseException] | None, value: Any, traceback: TracebackType | None) -> None:
        if kind is None:  # otherwise the error that ends the block must not be hidden by ours
            self.close()

    def release(self) -> None:
        """Let go of the session, which is closed; nothing is sent to it."""
        super().invalidate()


def _allowed(action: int, first: str | None, second: str | None) -> bool:
    name = (first or "").lower()
    if action == sqlite3.SQLITE_READ and name.startswith("sqlite_"):
        return True  # sqlite_master tells what tables there are
    if action in _ROWS:
        return not hidden(name)
    if action == sqlite3.SQLITE_PRAGMA:
        return name in _SCHEMA_PRAGMAS or (name in _STATE_PRAGMAS and second is None)
    return action in _HARMLESS
