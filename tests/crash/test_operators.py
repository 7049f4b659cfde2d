"""An operator acts by hand, a ledger is restored from a backup, another service uses the same database."""

from __future__ import annotations

import pytest
from tests.crash.conftest import Servers
from tests.crash.places import Place
from tests.crash.pool import Pool, Result, told
from tests.crash.report import OPERATORS
from tests.crash.scenario import Held, Scenario

pytestmark = pytest.mark.crash

PLACES = (Place.memory, Place.postgresql, Place.mariadb, Place.postgresql_mariadb)
BY_HAND = ("committed by hand", "rolled back by hand")
RESTORED = ("restored", "restored, and declared so", "restored, and its first worker dies")


def _all() -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for place in PLACES:
        for story in RESTORED:
            found[f"{place}: {story} under a held task"] = Scenario(0, place, held=Held.commit, story=story)
        for story in BY_HAND:
            silent = f"{story}, and nobody answers"
            found[f"{place}: {silent}"] = Scenario(0, place, held=Held.commit, story=silent)
            found |= {
                f"{place}: {story}, {held}": Scenario(0, place, held=held, story=story) for held in list(Held)[:2]
            }
        found[f"{place}: neighbours"] = Scenario(0, place, held=Held.commit, story="neighbours")
    for place in (Place.sqlite, Place.mixed, *PLACES):
        for story in RESTORED:
            found[f"{place}: {story} under a committed task"] = Scenario(0, place, story=story)
    for place in (Place.pair, Place.postgresql_mariadb):
        found[f"{place}: restored to its running attempt"] = Scenario(0, place, story="restored to its running attempt")
    return found


@pytest.fixture(scope="module")
def results(pool: Pool, servers: Servers) -> dict[str, Result]:
    there = {name: scenario for name, scenario in _all().items() if servers.have(scenario.place)}
    return dict(zip(there, pool.run_all(there.values(), OPERATORS), strict=True))


@pytest.mark.parametrize("name", _all())
def test_nothing_is_taken_for_granted(name: str, results: dict[str, Result], servers: Servers) -> None:
    servers.expect(*_all()[name].place.servers)
    assert not results[name]["violations"], told([results[name]])
