"""Runs drawn from seeds: kills, hangs, stops, lost replies, doubled claims and several sweepers, all at once.

`RESCIND_CRASH_RUNS` says how many, `RESCIND_CRASH_SEED` repeats one. See README.md beside this file.
"""

from __future__ import annotations

import json
import os

import pytest
from tests.crash.conftest import Servers
from tests.crash.draw import COMBINATIONS, FAST, draw, draw_zombie
from tests.crash.modes import MODES
from tests.crash.pool import Pool, log_path, told
from tests.crash.scenario import BY_TWO, Job, Scenario

from rescind.domain.states import State

pytestmark = pytest.mark.crash

RUNS = int(os.environ.get("RESCIND_CRASH_RUNS", "150"))
SEED = os.environ.get("RESCIND_CRASH_SEED")
LEAST = 20  #: runs of a combination, however few are asked for
ENOUGH = 100  #: of these many, every end is one of some
SECONDS_PER_RUN = 10  #: far more than any run takes: a bound, not a measurement


def runs_of(combination: str) -> int:
    """All that are asked for on the fast combination, a tenth on each of the others."""
    return RUNS if combination == FAST else max(LEAST, RUNS // 10)


@pytest.mark.timeout(120 + RUNS * SECONDS_PER_RUN)
@pytest.mark.parametrize("combination", COMBINATIONS)
def test_random_runs_break_nothing(combination: str, pool: Pool, servers: Servers) -> None:
    servers.expect(*_needed(combination))
    seeds = [int(SEED)] if SEED else range(runs_of(combination))
    results = pool.run_all((draw(seed, combination) for seed in seeds), combination)
    assert not told(results), f"repeat with RESCIND_CRASH_SEED=…; all runs are in {log_path()}"
    if len(results) >= ENOUGH:
        # A suite whose runs all went one way would prove little.
        assert {State.committed, State.checked, State.stopped, State.failed} == {result["state"] for result in results}


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_the_shortest_round_has_each_mode_that_the_combination_bears(combination: str) -> None:
    drawn = {draw(seed, combination).job for seed in range(LEAST)}
    two = all(len(place.targets) > 1 for place in COMBINATIONS[combination])
    assert drawn >= ({Job.replacement, Job.upsert, Job.load} if two else _modes(combination))


def _modes(combination: str) -> set[Job]:
    prepares = any(place.prepares and len(place.targets) == 1 for place in COMBINATIONS[combination])
    return set(MODES) - (set() if prepares else BY_TWO)


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_a_seed_makes_one_scenario(combination: str) -> None:
    scenarios = [draw(seed, combination) for seed in range(LEAST)]
    assert scenarios == [draw(seed, combination) for seed in range(LEAST)]
    assert scenarios == [Scenario.parse(json.loads(scenario.line())) for scenario in scenarios]


@pytest.mark.skipif(SEED is not None, reason="one seed is repeated")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("combination", COMBINATIONS)
def test_zombies_change_nothing(combination: str, pool: Pool, servers: Servers) -> None:
    servers.expect(*_needed(combination))
    zombies = max(5, runs_of(combination) // 100)
    scenarios = (draw_zombie(seed, combination) for seed in range(zombies))
    results = pool.run_all(scenarios, f"zombies, {combination}")
    assert not told(results), f"all runs are in {log_path()}"


def _needed(combination: str) -> frozenset[str]:
    return frozenset(server for place in COMBINATIONS[combination] for server in place.servers)
