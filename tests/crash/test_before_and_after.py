"""Submitting, receiving, announcing and forgetting, killed at each of their points."""

from __future__ import annotations

import pytest
from tests.crash.pool import Result, run_all, told
from tests.crash.roads import ELSEWHERE
from tests.crash.scenario import Act, Job, Place, Scenario, Trap

pytestmark = pytest.mark.crash


def _scenario(point: str, act: Act = Act.kill, place: Place = Place.sqlite) -> Scenario:
    story = {"sweep": "announce"}.get(point.partition(".")[0], point.partition(".")[0])
    job = Job.load if story in ("submit", "upload") else Job.write
    return Scenario(0, place, job, story=story, trap=Trap(point, act))


def _all() -> dict[str, Scenario]:
    found = {f"{point} killed": _scenario(point) for point in sorted(ELSEWHERE)}
    found |= {f"{point} fails": _scenario(point, Act.fail) for point in ("upload.short_read", "upload.disk_full")}
    found |= {f"{point} fails": _scenario(point, Act.fail) for point in ("announce.before", "announce.before_mark")}
    found |= {f"{p} in memory": _scenario(p, place=Place.memory) for p in sorted(ELSEWHERE) if p.startswith("forget")}
    return found


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return dict(zip(_all(), run_all(_all().values()), strict=True))


@pytest.mark.parametrize("name", _all())
def test_nothing_is_lost_or_half_there(name: str, results: dict[str, Result]) -> None:
    result = results[name]
    assert not result["violations"], told([result])
    assert result["hits"] == [name.partition(" ")[0]]
