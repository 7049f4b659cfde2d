"""What a task's own statements may do: read and change rows of the user's tables, and nothing else."""

from __future__ import annotations

import sqlite3

from rescind.domain.schema import hidden
from rescind.targets.guarded import Refusals, refusal

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


class Guard(Refusals):
    """SQLite's authorizer for the task's statements."""

    def authorize(
        self, action: int, first: str | None, second: str | None, database: str | None, by: str | None
    ) -> int:
        """Called by SQLite for every part of a statement that it compiles."""
        if _allowed(action, first, second):
            return sqlite3.SQLITE_OK
        self.remember(refusal(" ".join(filter(None, (_NAMES.get(action, f"action {action}"), first, second)))))
        return sqlite3.SQLITE_DENY


def _allowed(action: int, first: str | None, second: str | None) -> bool:
    name = (first or "").lower()
    if action == sqlite3.SQLITE_READ and name.startswith("sqlite_"):
        return True  # sqlite_master tells what tables there are
    if action in _ROWS:
        return not hidden(name)
    if action == sqlite3.SQLITE_PRAGMA:
        return name in _SCHEMA_PRAGMAS or (name in _STATE_PRAGMAS and second is None)
    return action in _HARMLESS
