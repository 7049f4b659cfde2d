"""What a task's function gets to write with: a SQLAlchemy connection that cannot end its transaction.

Which statements may run on it is for others to say: SQLite's authorizer, and `statements` for the servers.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, NoReturn

import sqlalchemy as sa

from rescind.errors import StatementRefused


def refusal(what: str) -> StatementRefused:
    """The error for something that a task may not run."""
    return StatementRefused(f"A task may not run this: {what}.")


class Refusals:
    """Remembers the first thing that was refused: a function that swallows the error gains nothing by it."""

    def __init__(self) -> None:
        self.first: StatementRefused | None = None

    def remember(self, error: StatementRefused) -> None:
        """Keep the error for every later check."""
        self.first = self.first or error

    def refuse(self, what: str) -> NoReturn:
        """Raise StatementRefused, now and at every later check."""
        error = refusal(what)
        self.remember(error)
        raise error

    def check(self) -> None:
        """Raise StatementRefused if anything was refused before."""
        if self.first is not None:
            raise StatementRefused(*self.first.args)


class GuardedConnection(sa.Connection):
    """SQLAlchemy's connection without the methods that would end or nest the transaction, or close it."""

    def __init__(self, engine: sa.Engine, refusals: Refusals) -> None:
        super().__init__(engine)
        self._refusals = refusals
        # To SQLAlchemy too a transaction is open from the start: outside of one it rolls back after any error.
        super().begin()

    def commit(self) -> NoReturn:
        self._refusals.refuse("commit()")

    def rollback(self) -> NoReturn:
        self._refusals.refuse("rollback()")

    def begin(self) -> NoReturn:
        self._refusals.refuse("begin()")

    def begin_nested(self) -> NoReturn:
        self._refusals.refuse("begin_nested()")

    def begin_twophase(self, xid: Any | None = None) -> NoReturn:
        self._refusals.refuse("begin_twophase()")

    def close(self) -> None:
        self._refusals.refuse("close()")

    def invalidate(self, exception: BaseException | None = None) -> None:
        if exception is None:
            self._refusals.refuse("invalidate()")
        super().invalidate(exception)  # SQLAlchemy's own call: the database has ended the session

    def detach(self) -> NoReturn:
        self._refusals.refuse("detach()")

    def __exit__(self, kind: type[BaseException] | None, value: Any, traceback: TracebackType | None) -> None:
        if kind is None:  # otherwise the error that ends the block must not be hidden by ours
            self.close()

    def release(self) -> None:
        """Let go of the session, which is closed; nothing is sent to it."""
        super().invalidate()
