"""A real kill -9 at every failpoint, in every kind of place, and at each of recovery's three times in a row."""

from __future__ import annotations

import pytest
from tests.crash.conftest import Servers
from tests.crash.places import Place
from tests.crash.pool import Pool, Result, told
from tests.crash.report import EACH_FAILPOINT
from tests.crash.roads import roads, three_deaths, unnamed
from tests.crash.scenario import Scenario

pytestmark = pytest.mark.crash


def _all() -> dict[str, Scenario]:
    found = {f"{place}: {name}": scenario for place in Place for name, scenario in roads(place).items()}
    for place in Place:
        found |= {f"{place}: {name}, three times": scenario for name, scenario in three_deaths(place).items()}
    return found


@pytest.fixture(scope="module")
def results(pool: Pool, servers: Servers) -> dict[str, Result]:
    there = {name: scenario for name, scenario in _all().items() if servers.have(scenario.place)}
    return dict(zip(there, pool.run_all(there.values(), EACH_FAILPOINT), strict=True))


def test_every_failpoint_has_a_road() -> None:
    assert not unnamed()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", _all())
def test_it_is_reached_and_nothing_is_partial_doubled_or_left(
    name: str, results: dict[str, Result], servers: Servers
) -> None:
    scenario = _all()[name]
    servers.expect(*scenario.place.servers)
    assert not results[name]["violations"], told([results[name]])
    assert results[name]["hits"] == [trap.point for trap in scenario.traps()]
