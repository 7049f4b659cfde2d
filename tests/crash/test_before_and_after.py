"""Submitting, receiving, announcing and forgetting, killed at each of their points."""

from __future__ import annotations

import pytest
from tests.crash.conftest import Servers
from tests.crash.places import Place
from tests.crash.pool import Pool, Result, told
from tests.crash.report import BEFORE_AND_AFTER
from tests.crash.roads import ELSEWHERE
from tests.crash.scenario import Act, Job, Scenario, Trap

pytestmark = pytest.mark.crash


def _scenario(point: str, act: Act = Act.kill, place: Place = Place.sqlite) -> Scenario:
    story = {"sweep": "announce"}.get(point.partition(".")[0], point.partition(".")[0])
    job = {"submit": Job.load, "upload": Job.load, "output": Job.report}.get(story, Job.write)
    return Scenario(0, place, job, story=story, trap=Trap(point, act))


def _all() -> dict[str, Scenario]:
    found = {f"{point} killed": _scenario(point) for point in sorted(ELSEWHERE)}
    found |= {f"{point} fails": _scenario(point, Act.fail) for point in ("upload.short_read", "upload.disk_full")}
    found |= {f"{point} fails": _scenario(point, Act.fail) for point in ("announce.before", "announce.before_mark")}
    forgetting = [point for point in sorted(ELSEWHERE) if point.startswith("forget")]
    places = (Place.memory, Place.postgresql, Place.mariadb)
    found |= {f"{point} in {place}": _scenario(point, place=place) for point in forgetting for place in places}
    return found


@pytest.fixture(scope="module")
def results(pool: Pool, servers: Servers) -> dict[str, Result]:
    there = {name: scenario for name, scenario in _all().items() if servers.have(scenario.place)}
    return dict(zip(there, pool.run_all(there.values(), BEFORE_AND_AFTER), strict=True))


@pytest.mark.parametrize("name", _all())
def test_nothing_is_lost_or_half_there(name: str, results: dict[str, Result], servers: Servers) -> None:
    servers.expect(*_all()[name].place.servers)
    result = results[name]
    assert not result["violations"], told([result])
    assert result["hits"] == [name.partition(" ")[0]]
