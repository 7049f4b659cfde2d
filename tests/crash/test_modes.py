"""A real kill -9 in loads that replace rows, or leave some out: the old rows or the new ones, never some of both."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.crash.conftest import Servers
from tests.crash.mode_roads import all_runs
from tests.crash.modes import MODES, Mode
from tests.crash.pool import Pool, Result, told
from tests.crash.report import EACH_FAILPOINT
from tests.crash.sites import BEFORE

pytestmark = pytest.mark.crash

RUNS = all_runs()


@pytest.fixture(scope="module")
def results(pool: Pool, servers: Servers) -> dict[str, Result]:
    there = {name: scenario for name, scenario in RUNS.items() if servers.have(scenario.place)}
    return dict(zip(there, pool.run_all(there.values(), EACH_FAILPOINT), strict=True))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RUNS)
def test_case_c20_a_load_that_is_killed_leaves_the_old_rows_or_the_new(
    name: str, results: dict[str, Result], servers: Servers
) -> None:
    scenario = RUNS[name]
    servers.expect(*scenario.place.servers)
    assert not results[name]["violations"], told([results[name]])
    assert results[name]["hits"] == [trap.point for trap in scenario.traps()]


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_the_old_rows_and_the_new_can_be_told_apart(mode: Mode) -> None:
    """Or a load that has done nothing would pass for one that has done everything."""
    assert mode.after != Counter(BEFORE)
    assert bool(mode.bad) == bool(mode.left_out)
