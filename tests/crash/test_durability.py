"""What a server has acknowledged outlives its death by kill -9; with other settings than ours it does not (R10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from tests.crash.conftest import Servers
from tests.crash.places import Place
from tests.crash.pool import Runner, runner, told
from tests.crash.report import DURABILITY
from tests.crash.scenario import Act, Scenario, Trap
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import running

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import TargetRefused
from rescind.targets.mysql import preflight
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

NOT_DURABLE = "R10 commit without the disk"
#: The server is killed the moment after the ledger says `committed`.
COMMITTED = Scenario(0, Place.postgresql, workers=(Trap("finish.after", Act.server, server="postgresql"),))
TIMES = 8  #: a server may have written by itself what nobody has asked it to


@pytest.fixture(scope="module")
def own(servers: Servers) -> Iterator[Runner]:
    servers.expect("postgresql")
    with runner({}, own=["postgresql"]) as started:
        yield started


def test_what_is_committed_on_postgresql_outlives_the_server(own: Runner) -> None:
    results = [own.run(COMMITTED, DURABILITY) for _ in range(TIMES)]
    assert not told(results)


def test_without_the_disk_it_does_not(own: Runner) -> None:
    results = (own.run(replace(COMMITTED, mutant=NOT_DURABLE)) for _ in range(TIMES))
    assert any("I5" in violation for result in results for violation in result["violations"])


@pytest.fixture(scope="module")
def lazy(servers: Servers) -> Iterator[MariaDB]:
    """A server that writes its log once in a second."""
    servers.expect("mariadb")
    with running(MariaDB(innodb_flush_log_at_trx_commit=0)) as server:
        yield server


def test_a_mariadb_that_does_not_wait_for_the_disk_is_refused(lazy: MariaDB) -> None:
    target = MySQLTarget("default", database_url(lazy.make_database()))
    with pytest.raises(TargetRefused, match="innodb_flush_log_at_trx_commit"):
        target.set_up()


def test_without_that_check_a_prepared_branch_is_lost(lazy: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check", lambda server: None)
    target = MySQLTarget("default", database_url(lazy.make_database()))
    target.set_up()
    assert any(_lost_when_prepared(target, lazy, attempt) for attempt in range(TIMES))


def _lost_when_prepared(target: MySQLTarget, server: MariaDB, attempt: int) -> bool:
    branch = target.open_branch(BranchId("a" * 12, 1, str(UUID(int=1)), attempt, 0), Protocol.two_phase)
    branch.start()
    branch.write_marker(0, "")
    branch.prepare()
    server.kill()
    server.start()
    branch.close()
    return branch.id not in target.list_prepared(branch.id.ledger)
