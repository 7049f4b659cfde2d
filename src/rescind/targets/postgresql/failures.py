"""What PostgreSQL's errors mean for a task: sorted by SQLSTATE, never by the message's text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from rescind.errors import (
    ConstraintViolated,
    RescindError,
    RightMissing,
    TargetConflict,
    TargetError,
    TargetFull,
    TargetRefused,
    TargetUnavailable,
    TransactionBroken,
)

#: By SQLSTATE, or by its class, which is the first two characters: whichever is there first.
_KINDS: dict[str, type[RescindError]] = {
    "08": TargetUnavailable,  # connection
    "0A": TargetRefused,  # not supported: COPY under row security, PREPARE after a temporary table
    "0B": TransactionBroken,
    "22": ConstraintViolated,  # data: out of range, not of the type
    "23": ConstraintViolated,
    "25": TransactionBroken,  # among them 25P02: a statement failed, and its error was swallowed
    "25P03": TargetConflict,  # ended for being idle or for its length
    "25P04": TargetConflict,
    "25006": TargetUnavailable,  # read-only: a standby, or a server that is being looked after
    "27": ConstraintViolated,
    "28": TargetUnavailable,  # the role or its password; the administrator puts it right, and the task goes on
    "2D": TransactionBroken,
    "3D": TargetUnavailable,  # no such database
    "40": TargetConflict,  # serialization, deadlock
    "40002": ConstraintViolated,
    "42501": RightMissing,
    "44": ConstraintViolated,  # WITH CHECK OPTION
    "53": TargetConflict,  # memory, locks
    "53100": TargetFull,
    "53300": TargetUnavailable,  # too many connections
    "54": ConstraintViolated,  # a row or value larger than can be
    "55": TargetConflict,  # lock not available, object in use
    "55000": TargetRefused,  # PREPARE where max_prepared_transactions is 0
    "57": TargetUnavailable,  # shut down, crashed, starting, database dropped
    "57014": TargetConflict,  # cancelled
    "58": TargetUnavailable,  # input or output
    "58030": TargetUnavailable,
    "P0": ConstraintViolated,  # a trigger raised
    "XX001": TargetUnavailable,  # corrupted
    "XX002": TargetUnavailable,
}
#: What the statement names is not there or not of the type: in Rescind's own statements somebody has altered it since.
_ALTERED = frozenset({"42", "3F"})

_QUOTES_VALUES = "22"  #: the class whose messages quote the value, each language with quotes of its own
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")

#: What CREATE TABLE says where somebody makes the same table at the same moment.
TAKEN = (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation)


class SessionLost(psycopg.OperationalError):
    """The server's process for the session has died, and the server has not: perhaps the task kills it each time."""


def known(error: psycopg.Error, *, control: bool = False) -> RescindError | None:
    """Our error for an outage, a lock, a constraint or a missing right; None for a faulty statement.

    In a branch (not `control`) a session that lives on is no outage, whatever the state says: a task whose function
    meets such a state each time, by a connection of its own or on a damaged page, would be tried again for ever.
    """
    state = error.sqlstate
    if state is None:
        return _without_state(error)
    kind = _KINDS.get(state) or _KINDS.get(state[:2])
    if kind is TargetUnavailable and not control and error.diag.severity_nonlocalized == "ERROR":
        kind = TargetConflict
    return None if kind is None else kind(_message(error, state))


def translation(error: psycopg.Error, *, control: bool = False) -> RescindError:
    """Our error for one that a statement of Rescind's own met."""
    state = error.sqlstate or ""
    if found := known(error, control=control):
        return found
    return (TargetConflict if state[:2] in _ALTERED else TargetError)(_message(error, state))


@contextmanager
def translated(*, control: bool = False) -> Iterator[None]:
    """Let errors of `rescind.errors` out of the block, and no others of psycopg's."""
    try:
        yield
    except psycopg.Error as error:
        raise translation(error, control=control) from error


def _without_state(error: psycopg.Error) -> RescindError | None:
    """The driver's own: no connection, none any more, or a value that it cannot send."""
    if isinstance(error, SessionLost):
        return TargetConflict(f"PostgreSQL: {_first_line(error)}.")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return TargetUnavailable(f"PostgreSQL: {_first_line(error)}.")
    return ConstraintViolated(f"PostgreSQL: {_first_line(error)}.") if isinstance(error, psycopg.DataError) else None


def _message(error: psycopg.Error, state: str) -> str:
    """What happened, without the details: they quote rows, and a problem goes into documents, events and logs."""
    text = error.diag.message_primary or _first_line(error)
    if state.startswith(_QUOTES_VALUES):
        text = _CAPITAL.sub(" ", type(error).__name__).lower()
    return f"PostgreSQL: {text} (SQLSTATE {state})."


def _first_line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
