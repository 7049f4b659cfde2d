"""MariaDB, PostgreSQL and a ledger on PostgreSQL are killed with -9 in the middle of an attempt, and started again.

The runners here have servers of their own: one run at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from random import Random

import pytest
from tests.crash.conftest import Servers
from tests.crash.places import Place
from tests.crash.pool import Runner, runner
from tests.crash.report import SERVER_DIES
from tests.crash.roads import LOST
from tests.crash.scenario import Act, Death, Job, Scenario, Trap
from tests.crash.test_random import RUNS

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

#: Each place, and the server that dies there.
DYING = {
    Place.mariadb: "mariadb",
    Place.postgresql: "postgresql",
    Place.postgresql_two_phase: "postgresql",
    Place.mariadb_sqlite: "mariadb",
    Place.ledger_sqlite: "postgresql",
    Place.ledger_two_phase: "postgresql",
}
RANDOM = max(2, RUNS // 1000)  #: runs in each place, with deaths at random moments

WORKER = ("branch.before_register", "branch.after_start", "branch.mid_data", "decide.before", "decide.after")
PREPARE = ("prepare.before", "prepare.sent_no_reply", "commit2p.before", "commit2p.sent_no_reply")
ONE_PHASE = ("commit1p.before", "commit1p.sent_no_reply")
LEDGER = ("claim.after_update", "decide.before", "decide.after", "finish.before")
TAKING_BACK = ("abort.before_kill", "abort.before_rollback", "abort.before_final")


def _at_points() -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for place in (Place.mariadb, Place.postgresql, Place.postgresql_two_phase):
        write = Scenario(0, place)
        points = WORKER + (PREPARE if write.two_phase else ONE_PHASE)
        found |= {f"{place}: {point}": replace(write, workers=(_dies(place, point),)) for point in points}
        points = TAKING_BACK + (("abort.sent_no_reply",) if write.two_phase else ())
        first = Trap("prepare.after") if write.two_phase else LOST
        found |= {f"{place}: {p} of recovery": _in_recovery(write, first, p) for p in points}
        first = Trap("decide.after")
        points = ("recover.between_scan_and_act", "finish.before")
        points += () if write.two_phase else ("recover.before_tombstone", "recover.tombstone_sent_no_reply")
        found |= {f"{place}: {p} of recovery's commit": _in_recovery(write, first, p) for p in points[-2:]}
    create = Scenario(0, Place.mariadb, Job.create)
    made = ("ddl.after_record", "ddl.after_ddl")
    found |= {f"mariadb: {point}": replace(create, workers=(_dies(Place.mariadb, point),)) for point in made}
    found |= {f"mariadb: {p}": _in_recovery(create, LOST, p) for p in ("ddl.before_undo", "ddl.after_undo")}
    for place in (Place.ledger_sqlite, Place.ledger_two_phase):
        write = Scenario(0, place)
        found |= {f"{place}: {p}": replace(write, workers=(_dies(place, p),)) for p in LEDGER}
        found |= {f"{place}: {p} of recovery": _in_recovery(write, LOST, p) for p in TAKING_BACK[1:]}
    return found


def _dies(place: Place, point: str) -> Trap:
    return Trap(point, Act.server, server=DYING[place])


def _in_recovery(write: Scenario, first: Trap, point: str) -> Scenario:
    return replace(write, workers=(first,), recoverers=(_dies(write.place, point),))


def _drawn(place: Place, seed: int) -> Scenario:
    random = Random(f"{place} {seed}")
    job = random.choice((Job.write, Job.slow, Job.slow, Job.load))
    killed = Trap(random.choice(("branch.mid_data", "prepare.after", "decide.after", "abort.before_rollback")))
    deaths = tuple(
        Death(DYING[place], random.uniform(0.0, 0.4), random.uniform(0.0, 0.3)) for _ in range(random.choice((1, 1, 2)))
    )
    return Scenario(seed, place, job, workers=random.choice(((), (killed,))), deaths=deaths)


@pytest.fixture(scope="module")
def runners(servers: Servers) -> Iterator[dict[str, Runner]]:
    """One for each server that can die."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(runner({}, own=[name])) for name in servers.there}


@pytest.mark.parametrize("name", _at_points())
def test_a_server_dies_at(name: str, servers: Servers, runners: dict[str, Runner]) -> None:
    scenario = _at_points()[name]
    servers.expect(*scenario.place.servers)
    result = runners[DYING[scenario.place]].run(scenario, SERVER_DIES)
    assert not result["violations"], result
    assert result["hits"] == [trap.point for trap in scenario.traps()]
    assert result["deaths"] == [DYING[scenario.place]]


@pytest.mark.parametrize("seed", range(RANDOM))
@pytest.mark.parametrize("place", DYING)
def test_a_server_dies_at_any_moment(place: Place, seed: int, servers: Servers, runners: dict[str, Runner]) -> None:
    servers.expect(*place.servers)
    result = runners[DYING[place]].run(_drawn(place, seed), "a server dies at any moment")
    assert not result["violations"], result
