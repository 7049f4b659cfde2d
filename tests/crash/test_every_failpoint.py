"""A real kill -9 at every failpoint, in every kind of place, and at each of recovery's three times in a row."""

from __future__ import annotations

import pytest
from tests.crash.pool import Result, run_all, told
from tests.crash.roads import roads, three_deaths, unnamed
from tests.crash.scenario import Place, Scenario

pytestmark = pytest.mark.crash


def _all() -> dict[str, Scenario]:
    found = {f"{place}: {name}": scenario for place in Place for name, scenario in roads(place).items()}
    for place in Place:
        found |= {f"{place}: {name}, three times": scenario for name, scenario in three_deaths(place).items()}
    return found


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return dict(zip(_all(), run_all(_all().values()), strict=True))


def test_every_failpoint_has_a_road() -> None:
    assert not unnamed()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", _all())
def test_it_is_reached_and_nothing_is_partial_doubled_or_left(name: str, results: dict[str, Result]) -> None:
    scenario, result = _all()[name], results[name]
    assert not result["violations"], told([result])
    assert result["hits"] == [trap.point for trap in scenario.traps()]
