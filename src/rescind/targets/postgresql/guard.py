"""The connection of a branch: a task's statements are looked at before they are sent, Rescind's own are not.

The task gets the connection's own cursors, by SQLAlchemy or without it; Rescind uses `psycopg.Cursor` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import Composable

from rescind.errors import TargetConflict, TransactionBroken
from rescind.targets.postgresql.failures import SessionLost
from rescind.targets.postgresql.session import Connection
from rescind.targets.statements import StatementGuard, TableName


class BranchConnection(Connection):
    """psycopg's connection, without its ways to end the transaction once `guard` is set."""

    guard: StatementGuard | None = None
    cancelled = False
    begun = False
    server_runs: Callable[[], bool] | None = None  #: asked when the session is lost without a word of the server's

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = _GuardedCursor
        self.server_cursor_factory = _GuardedServerCursor
        self.check_reach: Callable[[str, Iterable[TableName]], None] = _pass  # the branch has its own: PROTOCOL R11

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().wait(gen, *args, **kwargs)
        except psycopg.OperationalError as error:
            ask, self.server_runs = self.server_runs, None if self.closed else self.server_runs
            if ask is not None and self.closed and error.sqlstate is None and not self.cancelled and ask():
                text = "the server's process for this session has died, and the server runs on"
                raise SessionLost(f"{text}: its log says why") from error
            raise

    def expect_alive(self) -> None:
        """Raise TargetConflict after a cancel, which would not see what is begun then; TransactionBroken.

        Outside of the transaction every statement would be committed by itself.
        """
        if self.cancelled:
            raise TargetConflict("The statement was not run: the session has been cancelled.")
        if self.begun and self.info.transaction_status is TransactionStatus.IDLE:
            raise TransactionBroken("The transaction has ended before the task did.")

    def look(self, query: Any, parameters: object) -> None:
        """Let the statement pass, or raise StatementRefused, TargetRefused or TargetConflict."""
        self.expect_alive()
        if self.guard is not None:
            text = query.as_string(self) if isinstance(query, Composable) else query
            text = text.decode() if isinstance(text, bytes) else text
            if not isinstance(text, str):
                self.guard.refuse(f"a statement of type {type(query).__name__}")
            self.check_reach(text, self.guard.look(text, parameters))

    def commit(self) -> None:
        self._end("commit()", super().commit)

    def rollback(self) -> None:
        self._end("rollback()", super().rollback)

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        return self._end("transaction()", super().transaction, *args, **kwargs)

    def pipeline(self) -> Any:
        return self._end("pipeline()", super().pipeline)

    def set_autocommit(self, value: bool) -> None:
        self._end("set_autocommit()", super().set_autocommit, value)

    def tpc_begin(self, xid: Any) -> None:
        self._end("tpc_begin()", super().tpc_begin, xid)

    def _end(self, what: str, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.guard is not None:
            self.guard.refuse(what)
        return verb(*args, **kwargs)


def _pass(statement: str, tables: Iterable[TableName]) -> None:
    """Nothing is known of it."""


class _Looking:
    """What both kinds of cursor do before they send anything."""

    connection: Any

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        self.connection.look(query, params)
        return super().execute(query, params, **kwargs)  # type: ignore[misc]

    def executemany(self, query: Any, params_seq: Any, **kwargs: Any) -> Any:
        self.connection.look(query, ())
        return super().executemany(query, params_seq, **kwargs)  # type: ignore[misc]

    def stream(self, query: Any, params: Any = None, **kwargs: Any) -> Iterator[Any]:
        self.connection.look(query, params)
        rows: Iterator[Any] = super().stream(query, params, **kwargs)  # type: ignore[misc]
        return rows

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connection.guard is not None:
            self.connection.guard.refuse("copy(); a task's writer does it")
        return super().copy(statement, *args, **kwargs)  # type: ignore[misc]


class _GuardedCursor(_Looking, psycopg.Cursor[Any]):
    def _execute_send(self, *args: Any, **kwargs: Any) -> None:
        # The server takes one statement only in this form: what the parser read as one string may be three to it.
        super()._execute_send(*args, **kwargs | {"force_extended": True})


class _GuardedServerCursor(_Looking, psycopg.ServerCursor[Any]):
    def executemany(self, query: Any, params_seq: Any, **kwargs: Any) -> NoReturn:
        raise psycopg.NotSupportedError("a cursor of the server has no executemany()")
