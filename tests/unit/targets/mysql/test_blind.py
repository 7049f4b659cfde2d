"""A user of MySQL 8 without XA_RECOVER_ADMIN, whose answers a stand-in gives: MariaDB shows everybody what is prepared.

What he is not shown is no proof that nothing is there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.targets.mysql.test_rogue import OK, Rogue

from rescind.domain.branch import BranchId
from rescind.errors import Undecided
from rescind.targets.mysql import preflight, session
from rescind.targets.mysql.failures import XA_RECOVER_DENIED
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

#: As MySQL answers XA RECOVER then.
DENIED = b"\xff" + struct.pack("<H", 1401) + b"#XAE03XAER_RMERR: Fatal error occurred in the transaction branch"


class Denying(Rogue):
    """Lists nothing, and says yes to everything else."""

    def answer(self, query: bytes) -> bytes:
        return DENIED if query == b"\x03XA RECOVER" else OK


@pytest.fixture
def blind(tmp_path: Path) -> Iterator[MySQLTarget]:
    server = Denying(tmp_path, lambda query: False)
    yield MySQLTarget("default", database_url(f"mysql://u@127.0.0.1:{server.port}/d?ssl_disabled=1"))
    server.close()


def test_who_may_not_see_the_list_proves_nothing_by_it(blind: MySQLTarget, identity: BranchId) -> None:
    with pytest.raises(Undecided, match="cannot be seen"):
        blind.list_prepared(identity.ledger)


def test_a_report_shows_what_there_is_to_be_seen(blind: MySQLTarget, identity: BranchId) -> None:
    assert blind.seen_prepared(identity.ledger) == []


def test_that_he_may_not_is_found_out_before_anything_is_prepared(blind: MySQLTarget) -> None:
    with session.control(blind._address.arguments) as connection:
        assert not preflight._may(connection, "XA RECOVER", XA_RECOVER_DENIED)
