"""The suite can fail: one guard of the protocol taken out at a time, and the invariant that notices.

Each run is built to meet the missing guard; with the guard in its place the same run must be fine.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice

import pytest
from tests.crash.conftest import Servers
from tests.crash.draw import FAST, IN_MEMORY, draw
from tests.crash.mutants import MUTANTS
from tests.crash.places import Place
from tests.crash.pool import Pool, Result, told
from tests.crash.scenario import Act, Held, Job, Scenario, ServerFault, Trap, Wake
from tests.crash.test_durability import NOT_DURABLE

from rescind.testing.memory.faults import Fault

pytestmark = pytest.mark.crash

HELD = Scenario(0, Place.postgresql, held=Held.commit)
CREATE = Scenario(0, Place.mariadb, Job.create)

#: By mutant: the run, and the invariants of which at least one must be broken.
CONTROLS = {
    "R1 no first mark": (
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
    "R2 rollback on a lost answer": (
        Scenario(0, Place.postgresql_two_phase, workers=(Trap("decide.sent_no_reply", Act.lose),)),
        {"I3", "I8"},
    ),
    "R3 an error decides": (Scenario(0, Place.postgresql, workers=(Trap("commit1p.after", Act.lose),)), {"I8"}),
    "R3 no marker check": (Scenario(0, Place.postgresql, workers=(Trap("commit1p.after"),)), {"I8", "I5", "I9"}),
    "R3 no marker check at all": (
        Scenario(0, Place.sqlite, Job.generate, workers=(Trap("commit1p.after"),)),  # no key that would collide
        {"I2", "I5"},
    ),
    "R4 no attempt in the name": (
        Scenario(
            0,
            Place.postgresql_two_phase,
            workers=(Trap("prepare.after"), Trap("decide.before", Act.hang)),
            recoverers=(Trap("abort.before_rollback", Act.hang),),
            wake=Wake.worker_hangs,
            lease_seconds=5.0,
            hang_seconds=10.0,
        ),
        {"I3", "I8", "I9"},
    ),
    "R5 no attempt in the decision": (
        Scenario(
            0,
            Place.memory,
            workers=(Trap("decide.before", Act.hang), Trap("branch.mid_data", Act.hang)),
            wake=Wake.retried,
            hang_seconds=10.0,  # the first worker must not go on before the second is at work, however slowly
        ),
        {"I3", "I5", "I8", "history"},
    ),
    "R5 no stop in the decision": (
        Scenario(0, Place.mariadb, workers=(Trap("decide.before", Act.stop),)),
        {"I7"},
    ),
    "R5 no stop in the hold": (replace(HELD, workers=(Trap("hold.after_close", Act.stop),)), {"I7"}),
    "R6 session not ended": (
        # It goes on when its task is stopped, and prepares what nobody will ever look for.
        Scenario(
            0,
            Place.postgresql_two_phase,
            workers=(Trap("prepare.before", Act.hang),),
            stop_after=0.3,
            wake=Wake.ended,
            hang_seconds=10.0,
        ),
        {"I6"},
    ),
    "R6 session not registered": (Scenario(0, Place.mariadb), {"I8"}),
    "R7 PREPARE not checked": (
        Scenario(0, Place.memory, fault=ServerFault("default", "prepare", Fault.hollow)),
        {"I3", "I8"},
    ),
    "R8 one-phase branch last": (
        Scenario(0, Place.mariadb_sqlite, workers=(Trap("commit1p.after"),)),
        {"I8"},
    ),
    "R8 two one-phase branches": (
        Scenario(0, Place.postgresql_mariadb, workers=(Trap("commit1p.after"),)),
        {"I8"},
    ),
    "R9 presumed abort": (replace(HELD, story="restored"), {"restored"}),
    "R9 a branch known by its number": (replace(HELD, story="restored, and its first worker dies"), {"restored"}),
    "R9 rolled back before a look": (
        Scenario(0, Place.pair, story="restored to its running attempt"),
        {"restored"},
    ),
    "R9 decided without a look": (replace(HELD, story="rolled back by hand"), {"by hand"}),
    "R11 any engine": (Scenario(0, Place.myisam, Job.fail), {"I4"}),
    "R12 undone without a look": (replace(CREATE, workers=(Trap("ddl.after_ddl", Act.use),)), {"I5"}),
    "R12 made before it is on record": (
        replace(CREATE, workers=(Trap("ddl.after_ddl"),), recoverers=(Trap("abort.before_final", Act.stop),)),
        {"I4"},
    ),
    "files: no name before the decision": (Scenario(0, Place.sqlite, Job.report), {"files"}),
    "files: named after the decision": (
        Scenario(0, Place.postgresql_two_phase, Job.skip, workers=(Trap("decide.after"),)),
        {"files"},
    ),
    "replace: deleted by itself": (
        Scenario(0, Place.memory, Job.replacement, workers=(Trap("branch.after_marker", Act.stop),)),
        {"I4"},
    ),
    "replace: rows are added up": (Scenario(0, Place.sqlite, Job.replacement), {"counts"}),
    "upsert: written by itself": (
        Scenario(0, Place.memory, Job.upsert, workers=(Trap("branch.after_marker", Act.stop),)),
        {"I4"},
    ),
    "skip: given out when decided": (Scenario(0, Place.mariadb, Job.skip, workers=(Trap("decide.after"),)), {"files"}),
    "skip: neighbours stay": (Scenario(0, Place.sqlite, Job.skip), {"rejects"}),
    "step 11: no kind in the tombstone": (
        Scenario(
            0,
            Place.sqlite,
            workers=(Trap("commit1p.before"),),
            recoverers=(Trap("recover.after_tombstone"),),
        ),
        {"I5"},
    ),
    "step 11: tombstone by upsert": (
        # The worker commits after recovery has looked for its marker, and before its session is ended.
        Scenario(
            0,
            Place.postgresql,
            workers=(Trap("commit1p.before", Act.hang),),
            recoverers=(Trap("abort.before_kill", Act.hang),),
            wake=Wake.recovery_hangs,
            hang_seconds=10.0,
        ),
        {"I5"},
    ),
}

#: By mutant: the place and the job whose drawn runs notice it, and by which invariants.
DRAWN = {
    "replace: deleted by itself": (Place.memory, Job.replacement, {"I4", "seen", "early"}),
    "replace: rows are added up": (Place.memory, Job.replacement, {"counts"}),
    "upsert: written by itself": (Place.memory, Job.upsert, {"I4", "early"}),
    "skip: given out when decided": (Place.postgresql_two_phase, Job.skip, {"files"}),
}
DRAWN_RUNS = 10


@pytest.fixture(scope="module")
def results(pool: Pool, servers: Servers) -> dict[tuple[str, bool], Result]:
    there = {name: scenario for name, (scenario, _) in CONTROLS.items() if servers.have(scenario.place)}
    runs = {(name, False): scenario for name, scenario in there.items()}
    runs |= {(name, True): replace(scenario, mutant=name) for name, scenario in there.items()}
    return dict(zip(runs, pool.run_all(runs.values()), strict=True))


def test_every_mutant_has_its_run() -> None:
    assert CONTROLS.keys() | {NOT_DURABLE} == MUTANTS.keys()


@pytest.mark.parametrize("name", CONTROLS)
def test_with_the_guard_the_run_is_fine(name: str, results: dict[tuple[str, bool], Result], servers: Servers) -> None:
    servers.expect(*CONTROLS[name][0].place.servers)
    assert not results[name, False]["violations"], told([results[name, False]])


@pytest.mark.parametrize("name", CONTROLS)
def test_without_the_guard_the_suite_notices(
    name: str, results: dict[tuple[str, bool], Result], servers: Servers
) -> None:
    scenario, broken = CONTROLS[name]
    servers.expect(*scenario.place.servers)
    result = results[name, True]
    assert {violation.partition(":")[0] for violation in result["violations"]} & broken, result


@pytest.fixture(scope="module")
def drawn(pool: Pool, servers: Servers) -> dict[str, list[Result]]:
    """The first drawn runs of each mutant's job, without its guard."""
    servers.expect("postgresql")
    runs = [
        (name, replace(run, mutant=name)) for name, (place, job, _) in DRAWN.items() for run in _first_of(place, job)
    ]
    results = pool.run_all(run for _, run in runs)
    return {name: [result for (of, _), result in zip(runs, results, strict=True) if of == name] for name in DRAWN}


def _first_of(place: Place, job: Job) -> list[Scenario]:
    runs = (draw(seed, IN_MEMORY if place is Place.memory else FAST) for seed in count())
    return list(islice((run for run in runs if run.job is job and run.place is place), DRAWN_RUNS))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DRAWN)
def test_drawn_runs_of_a_mode_notice_too(name: str, drawn: dict[str, list[Result]]) -> None:
    found = {violation.partition(":")[0] for result in drawn[name] for violation in result["violations"]}
    assert found & DRAWN[name][2], drawn[name]
