"""Taking back a table that a task made before its transaction (PROTOCOL R12)."""

from __future__ import annotations

import pymysql

from rescind.domain.branch import BranchId
from rescind.errors import ConstraintViolated, TargetBusy
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.failures import LOCK_WAIT_TIMEOUT, NO_SUCH_TABLE, known, number
from rescind.targets.mysql.session import run
from rescind.targets.mysql.sql import quote

LOCK_SECONDS = 3  #: a prepared branch may hold the table for long

_COMMENT = """SELECT table_name, table_comment FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = %s"""


def undo_table(connection: Connection, name: str, branch: BranchId) -> None:
    """Drop it if its comment names the branch's task, in this attempt or an earlier one, and it is empty.

    Raises TargetBusy where the lock is not to be had.
    """
    if not _made_by(connection, name, branch):
        return
    # Without autocommit, and where no setting of the server forbids it, LOCK TABLES takes InnoDB's own lock too: a
    # prepared branch whose session is gone holds that one only, its rows are not seen, and the table would be dropped
    # under a commit that is still to come.
    waits = f"lock_wait_timeout = {LOCK_SECONDS}, innodb_lock_wait_timeout = {LOCK_SECONDS}"
    run(connection, f"SET SESSION autocommit = 0, innodb_table_locks = 1, {waits}")
    try:
        run(connection, f"LOCK TABLES {quote(name)} WRITE")
    except pymysql.Error as error:
        if number(error) == LOCK_WAIT_TIMEOUT:
            raise TargetBusy(f"Table {name} is in use, and cannot be looked into before it is dropped.") from error
        if number(error) == NO_SUCH_TABLE:
            return
        raise
    # Looked at again: only now nobody else can write to it, or put another in its place.
    if _made_by(connection, name, branch) and not run(connection, f"SELECT 1 FROM {quote(name)} LIMIT 1"):
        _drop(connection, name)


def _drop(connection: Connection, name: str) -> None:
    try:
        run(connection, f"DROP TABLE {quote(name)}")
    except pymysql.Error as error:
        if not isinstance(known(error), ConstraintViolated):  # somebody's foreign key has come to need it
            raise


def _made_by(connection: Connection, name: str, branch: BranchId) -> bool:
    for found, comment in run(connection, _COMMENT, name):
        maker = BranchId.parse(comment)
        if found == name and maker is not None:
            same = (maker.ledger, maker.task) == (branch.ledger, branch.task)
            return same and (maker.incarnation, maker.attempt) <= (branch.incarnation, branch.attempt)
    return False
