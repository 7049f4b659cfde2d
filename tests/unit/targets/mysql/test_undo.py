"""The undo of a table against a prepared branch whose session is gone (PROTOCOL R12)."""

from __future__ import annotations

import pytest

from rescind.domain.branch import Protocol
from rescind.errors import TargetBusy
from rescind.targets.mysql.target import MySQLTarget
from rescind.testing.conformance.scene import CHECKSUM, ITEMS, items, new_branch, write
from rescind.urls import database_url


def test_a_table_that_a_prepared_branch_has_written_to_is_not_dropped_under_its_commit(mariadb_url: str) -> None:
    target = MySQLTarget("default", database_url(mariadb_url))
    target.set_up()
    maker = target.open_branch(new_branch(), Protocol.two_phase)
    maker.create_table(ITEMS)
    maker.close()
    held = target.open_branch(new_branch(), Protocol.two_phase)
    held.start()
    write(held, items(1, 2))
    held.write_marker(2, CHECKSUM)
    held.prepare()
    held.close()
    while not target.end_session(held.session):
        pass
    with pytest.raises(TargetBusy):
        target.undo_table(ITEMS.name, maker.id)
    target.commit_prepared(held.id)
    target.undo_table(ITEMS.name, maker.id)  # now it holds somebody's rows
    assert target.catalog().count(ITEMS.name) == 2
    target.close()
