"""What the errors of MySQL, MariaDB and PyMySQL mean for a task: sorted by their number, never by the text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
import sqlalchemy as sa

from rescind.errors import (
    ConstraintViolated,
    RescindError,
    RightMissing,
    StatementRefused,
    TargetConflict,
    TargetError,
    TargetFull,
    TargetRefused,
    TargetUnavailable,
    TransactionBroken,
)

CLOSED = 0  #: PyMySQL's number for a connection that is closed already
DUPLICATE_KEY = 1062
NO_SUCH_THREAD = 1094
NO_SUCH_TABLE = 1146
LOCK_WAIT_TIMEOUT = 1205
ACCESS_DENIED = 1227
INTERRUPTED = 1317
XA_RECOVER_DENIED = 1401
UNSAFE_STATEMENT = 1592  #: a warning, where the binary log holds statements
SERVER_LOST = 2013
PACKET_MALFORMED = 2027
#: How a session says that it has ended. A server that goes down says 1053, if anything.
SESSION_LOST = frozenset({1158, 1159, 1160, 1161, 1927, 2006, SERVER_LOST, 2055, 4031})
LOAD_DISABLED = frozenset({1148, 3948, 4166})  #: the last is MariaDB's, the one before it MySQL's

_NUMBERS: dict[type[RescindError], tuple[int, ...]] = {
    ConstraintViolated: (
        1022, 1048, DUPLICATE_KEY, 1138, 1169, 1216, 1217, 1264, 1265, 1292, 1364, 1365, 1366, 1367, 1406, 1411,
        1416, 1441, 1451, 1452, 1467, 1526, 1586, 1644, 1690, 1748, 1761, 1762, 1859, 1906, 3105, 3140, 3819,
        4025, 4078,
    ),
    # Deadlocks, lock waits, statements that were cut off, and tables that changed or went meanwhile.
    TargetConflict: (
        1020, 1050, 1054, NO_SUCH_TABLE, 1180, LOCK_WAIT_TIMEOUT, 1213, INTERRUPTED, 1402, 1412, 1479, 1613, 1614,
        1615, 1637, 1684, 1689, 1969, 3024, 3058, 3101, 3168, 3572,
    ),
    # Too many connections, wrong passwords, servers that end or may only be read, lost connections.
    TargetUnavailable: (
        1040, 1042, 1043, 1044, 1045, 1047, 1049, 1053, 1079, 1080, 1129, 1130, 1152, 1154, 1156, 1157, 1158, 1159,
        1160, 1161, 1184, 1203, 1226, 1251, 1290, 1698, 1792, 1820, 1836, 1862, 1927, 2001, 2002, 2003, 2005, 2006,
        2012, SERVER_LOST, 2014, 2026, PACKET_MALFORMED, 2055, 2059, 2061, 3032, 3118, 3159, 4031, 4151,
    ),
    TargetFull: (3, 28, 1021, 1114, 1197, 1534, 3675),
    TargetRefused: (1153, 1665, 1785, 3098, 3100),
    RightMissing: (1095, 1142, 1143, ACCESS_DENIED, 1370, XA_RECOVER_DENIED),
    TransactionBroken: (CLOSED, 1397, 1398, 1399, 1400, 1440),
    StatementRefused: (1148, 1235, 1295, 1422),
}  # fmt: skip

_KINDS = {number: kind for kind, numbers in _NUMBERS.items() for number in numbers}

_READ_ERROR = 1030  #: of a storage engine, whose own number stands in the text
_ENGINE_FULL = ("error 28", "error: 28", "error 135", "error 136")


class SessionLost(pymysql.err.OperationalError):
    """The session has ended, and its server has not: perhaps the task's own statement ends it each time."""


def number(error: Exception) -> int | None:
    """The error's number in MySQL's list, of PyMySQL's errors and of SQLAlchemy's that wrap one."""
    original = _original(error)
    found = original.args[0] if isinstance(original, pymysql.Error) and original.args else None
    return found if isinstance(found, int) else None


def known(error: Exception) -> RescindError | None:
    """Our error for an outage, a lock, a constraint or a refusal; None for a faulty statement."""
    code = number(error)
    if code is None:
        return None
    if code == _READ_ERROR:
        full = any(mark in str(error) for mark in _ENGINE_FULL)
        return (TargetFull if full else TargetConflict)(described(error))
    kind = TargetConflict if isinstance(_original(error), SessionLost) else _KINDS.get(code)
    return None if kind is None else kind(described(error))


def described(error: Exception) -> str:
    """The error in words: the server's own text and number, never the statement or its values."""
    original = _original(error)
    code = number(error)
    if code == CLOSED:
        return "The session with the database has ended."
    text = str(original.args[1]) if code is not None and len(original.args) > 1 else str(original)
    return f"Database: {text.rstrip('.')} ({code})."


def _original(error: Exception) -> BaseException:
    return error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error


@contextmanager
def translated() -> Iterator[None]:
    """Let errors of `rescind.errors` out of the block, and none of the driver's or SQLAlchemy's."""
    try:
        yield
    except (pymysql.Error, sa.exc.DBAPIError) as error:
        raise (known(error) or TargetError(described(error))) from error
