"""The undo of a table against whoever has, or takes, it meanwhile (PROTOCOL R12)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pymysql
import pytest
from tests.support.servers.mariadb import MariaDB
from tests.support.waiting import until
from tests.unit.targets.mysql.conftest import Setting, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import TargetBusy
from rescind.targets.mysql.target import MySQLTarget
from rescind.testing.conformance.scene import CHECKSUM, ITEMS, items, new_branch, write


@pytest.fixture
def maker(target: MySQLTarget) -> BranchId:
    """The branch that has made the table ITEMS; its session is gone."""
    branch = target.open_branch(new_branch(), Protocol.two_phase)
    branch.create_table(ITEMS)
    branch.close()
    return branch.id


@pytest.mark.parametrize("locks", ["ON", "OFF"])
def test_a_table_that_a_prepared_branch_has_written_to_is_not_dropped_under_its_commit(
    target: MySQLTarget, maker: BranchId, setting: Setting, locks: str
) -> None:
    """Also where the server keeps InnoDB out of LOCK TABLES."""
    setting("innodb_table_locks", locks)
    held = target.open_branch(new_branch(), Protocol.two_phase)
    held.start()
    write(held, items(1, 2))
    held.write_marker(2, CHECKSUM)
    held.prepare()
    held.close()
    until(lambda: target.end_session(held.session), "the end of the session")
    with pytest.raises(TargetBusy):
        target.undo_table(ITEMS.name, maker)
    target.commit_prepared(held.id)
    target.undo_table(ITEMS.name, maker)  # now it holds somebody's rows
    assert target.catalog().count(ITEMS.name) == 2


def test_a_table_that_became_somebody_elses_while_its_lock_was_waited_for_is_left(
    target: MySQLTarget, maker: BranchId, mariadb: MariaDB, sql: Sql
) -> None:
    """They took the empty table over, and its comment, which says that it is the task's, with it."""
    waits = f"SELECT 1 FROM information_schema.processlist WHERE info = 'LOCK TABLES `{ITEMS.name}` WRITE'"
    database = target._address.database
    owner = pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root", database=database)
    with closing(owner), owner.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute(f"LOCK TABLES {ITEMS.name} WRITE")
        undone = pool.submit(target.undo_table, ITEMS.name, maker)
        until(lambda: sql(waits), "the undo to wait for the lock")
        cursor.execute(f"ALTER TABLE {ITEMS.name} COMMENT = 'ours from now on'")
        cursor.execute("UNLOCK TABLES")
        undone.result()
    assert target.catalog().tables() == [ITEMS.name]
