"""The suite can fail: one guard of the protocol taken out at a time, and the invariant that notices.

Each run is built to meet the missing guard; with the guard in its place the same run must be fine.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.crash.mutants import MUTANTS
from tests.crash.places import Place
from tests.crash.pool import Pool, Result, told
from tests.crash.scenario import Act, Job, Scenario, Trap, Wake

pytestmark = pytest.mark.crash

#: By mutant: the run, and the invariants of which at least one must be broken.
CONTROLS = {
    "no marker check": (Scenario(0, Place.sqlite, workers=(Trap("commit1p.after"),)), {"I8", "I5", "I9"}),
    "no marker check at all": (
        Scenario(0, Place.sqlite, Job.generate, workers=(Trap("commit1p.after"),)),  # no key that would collide
        {"I2", "I5"},
    ),
    "no attempt in the decision": (
        Scenario(
            0,
            Place.memory,
            workers=(Trap("decide.before", Act.hang), Trap("branch.mid_data", Act.hang)),
            wake=Wake.retried,
        ),
        {"I3", "I5", "I8", "history"},
    ),
    "no first mark": (
        Scenario(
            0,
            Place.memory,
            workers=(Trap("decide.before", Act.hang),),
            # Each hangs with the branches gone and the mark not made, until the worker goes on and decides.
            recoverers=(Trap("abort.after_rollback", Act.hang),) * 4,
            wake=Wake.recovery_hangs,
            hang_seconds=10.0,  # the worker must not go on before a recoverer has come so far, however slowly
        ),
        {"I3", "I8"},
    ),
    "no kind in the tombstone": (
        Scenario(
            0,
            Place.sqlite,
            workers=(Trap("commit1p.before"),),
            recoverers=(Trap("recover.after_tombstone"),),
        ),
        {"I5"},
    ),
}


@pytest.fixture(scope="module")
def results(pool: Pool) -> dict[tuple[str, bool], Result]:
    runs = {(name, False): scenario for name, (scenario, _) in CONTROLS.items()}
    runs |= {(name, True): replace(scenario, mutant=name) for name, (scenario, _) in CONTROLS.items()}
    return dict(zip(runs, pool.run_all(runs.values()), strict=True))


def test_every_mutant_has_its_run() -> None:
    assert CONTROLS.keys() == MUTANTS.keys()


@pytest.mark.parametrize("name", CONTROLS)
def test_with_the_guard_the_run_is_fine(name: str, results: dict[tuple[str, bool], Result]) -> None:
    assert not results[name, False]["violations"], told([results[name, False]])


@pytest.mark.parametrize("name", CONTROLS)
def test_without_the_guard_the_suite_notices(name: str, results: dict[tuple[str, bool], Result]) -> None:
    result = results[name, True]
    assert {violation.partition(":")[0] for violation in result["violations"]} & CONTROLS[name][1], result
