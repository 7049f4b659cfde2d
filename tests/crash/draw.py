"""A scenario from a seed: the same seed gives the same scenario, in every process and Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.crash import roads
from tests.crash.modes import FILING, LOADING, MODES
from tests.crash.places import Place
from tests.crash.scenario import BY_TWO, Act, Held, Job, Scenario, ServerFault, Trap, Wake

from rescind.testing.memory.faults import Fault

IN_MEMORY = "SQLite and memory servers"
#: What the report tells apart: a name, and the places that its runs are drawn from.
COMBINATIONS = {
    IN_MEMORY: (
        *(Place.sqlite,) * 3,
        *(Place.memory,) * 3,
        *(Place.one_phase, Place.memory_ddl, Place.pair, Place.mixed, Place.mixed_memory),
    ),
    "PostgreSQL, two-phase": (Place.postgresql_two_phase,),
    "PostgreSQL, one-phase": (Place.postgresql,),
    "MariaDB, two-phase": (Place.mariadb,),
    "PostgreSQL + MariaDB": (Place.postgresql_mariadb,),
    "MariaDB + SQLite": (Place.mariadb_sqlite,),
    "ledger on PostgreSQL": (Place.ledger_sqlite, Place.ledger_postgresql, Place.ledger_two_phase),
}
FAST = "PostgreSQL, two-phase"  #: gets all runs that are asked for; the others a tenth each

#: Seeds go through these in turn: a round of few runs has each mode. The modes come first.
JOBS = (*MODES, *(job for job in Job if job not in MODES), *(Job.write,) * 5)
JOBS_OF_TWO = (Job.replacement, Job.upsert, Job.load, Job.slow, Job.fail, *(Job.write,) * 4)
JOBS_OF_ZOMBIES = (Job.write, Job.replacement, Job.slow, Job.upsert, Job.fail)
ACTS = (Act.kill,) * 8 + (Act.hang,) * 2 + (Act.stall,) + (Act.stop,) * 2 + (Act.fail, Act.lose, Act.lose)
MOST_ERRORS = 2  #: errors that are counted against a task: at the third it rightly fails

#: Points inside a transaction of the ledger: who hangs or asks for a stop there waits for itself.
IN_LEDGER = frozenset({"claim.after_update"})
#: Points that the task's own function passes: an error there is its own, and rightly ends the task.
IN_FUNCTION = frozenset(
    {"branch.before_register", "branch.after_register", "branch.after_start", "branch.mid_data"}
    | {roads.CHECKED, *roads.MAKE, *roads.OUTPUT}
)
LEDGER = ("ledger.io_error", "ledger.busy", "ledger.disk_full")

#: What may happen at a server to a verb, so that the task can still end as it should.
_DROPPED = (Fault.refused_after, Fault.cut, Fault.lost, Fault.late, Fault.crash, Fault.crash_after)
FAULTS = {
    "start": (Fault.cut, Fault.lost),
    "write": (Fault.refused, Fault.cut, Fault.lost, Fault.crash),
    "write_marker": (Fault.refused, Fault.cut, Fault.lost, Fault.late),
    "prepare": _DROPPED,
    "commit": (Fault.refused, *_DROPPED),
    "commit_prepared": (Fault.refused, *_DROPPED),
    "rollback_prepared": (Fault.refused, *_DROPPED),
    "insert_tombstone": (Fault.refused_after, Fault.cut, Fault.lost, Fault.late),
    "end_session": (Fault.refused, Fault.cut, Fault.lost),
    "list_prepared": (Fault.cut, Fault.refused),
    "read_markers": (Fault.cut, Fault.refused),
}


def draw(seed: int, combination: str) -> Scenario:
    """Anything at all, as far as one task can bear it."""
    random = Random(f"{combination} {seed}")
    scenario = _task(random, seed, COMBINATIONS[combination])
    for_workers, for_recoverers = _worker_points(scenario), _recoverer_points(scenario)
    workers = tuple(_trap(random, random.choice(for_workers), 3) for _ in range(random.choice((1, 1, 2, 3))))
    recoverers = tuple(_trap(random, random.choice(for_recoverers), 2) for _ in range(random.choice((0, 0, 1, 2, 3))))
    beside = random.choice((0, 0, 0, 1, 2))
    return _bearable(
        replace(
            scenario,
            workers=workers,
            recoverers=recoverers,
            together=random.choice((1, 1, 1, 2)),
            beside=beside,
            stop_after=random.choice((None, None, None, random.uniform(0.0, 0.15))),
            wake=random.choice(tuple(Wake)),
            # Beside living workers a short lease would take them for dead when the machine is busy.
            lease_seconds=1.0 if beside else 0.3,
            fault=_fault(random, scenario.place),
            lingers=beside > 0 and random.random() < 0.5,
        )
    )


def draw_zombie(seed: int, combination: str) -> Scenario:
    """A worker that is stopped past its lease at any moment, and goes on when others have its task."""
    random = Random(f"zombie, {combination} {seed}")
    place = random.choice(COMBINATIONS[combination])
    scenario = Scenario(seed, place, JOBS_OF_ZOMBIES[seed % len(JOBS_OF_ZOMBIES)])
    points = [p for p in _worker_points(scenario) if p not in IN_LEDGER and p not in LEDGER]
    at_a_point = random.random() < 0.6
    return replace(
        scenario,
        workers=(Trap(random.choice(points), Act.hang, random.choice((1, 1, 2))),) if at_a_point else (),
        pause_after=None if at_a_point else random.uniform(0.0, 0.2),
        wake=random.choice(tuple(Wake)),
    )


def _task(random: Random, seed: int, places: Sequence[Place]) -> Scenario:
    jobs = JOBS if any(len(place.targets) == 1 for place in places) else JOBS_OF_TWO
    job = jobs[seed % len(jobs)]
    place = random.choice([place for place in places if _bears(place, job)])
    held = random.choice((Held.commit, Held.commit, Held.stop, Held.expiry))
    terms = random.random()
    return Scenario(
        seed, place, job, held=held if terms < 0.12 and place.prepares else None, dry_run=0.12 <= terms < 0.2
    )


def _bears(place: Place, job: Job) -> bool:
    """Whether that place can carry the job out."""
    if len(place.targets) > 1:
        return job in JOBS_OF_TWO
    return place.prepares or job not in BY_TWO


def _worker_points(scenario: Scenario) -> list[str]:
    points = [*roads.EVERYWHERE, *roads.HEARTBEAT, *roads.OWN_ABORT, *roads.ABORT]
    points += roads.ONE_PHASE if scenario.one_phase else ()
    points += roads.PREPARE + roads.TWO_PHASE if scenario.two_phase else ()
    points += roads.HOLD * 3 if scenario.held else ()
    points += [roads.CHECKED] * 2 if scenario.job in LOADING else []
    points += roads.MAKE * 3 if _makes(scenario) else ()
    points += roads.OUTPUT * 3 if scenario.job in FILING else ()
    return points


def _recoverer_points(scenario: Scenario) -> list[str]:
    points = [*roads.ABORT, *roads.RECOVERY, *roads.FINISH, *LEDGER]
    points += roads.TOMBSTONE if scenario.one_phase else ()
    points += ["abort.sent_no_reply"] if scenario.two_phase else []
    points += roads.UNDO * 3 if _makes(scenario) else ()
    return points


def _makes(scenario: Scenario) -> bool:
    return scenario.job in (Job.create, Job.generate) and any(kind.by_itself for kind in scenario.place.kinds)


def _trap(random: Random, point: str, most: int) -> Trap:
    at = random.choice((1, 1, 1, 2, 3)[: most + 2])
    if point in LEDGER:
        return Trap(point, random.choice((Act.kill, Act.outage, Act.outage)), random.randint(1, 8))
    act = random.choice(ACTS)
    unbearable = point in IN_LEDGER and act in (Act.hang, Act.stall, Act.stop)
    unbearable |= point in IN_FUNCTION and act in (Act.fail, Act.lose)
    return Trap(point, Act.kill if unbearable else act, at)


def _fault(random: Random, place: Place) -> ServerFault | None:
    served = [name for name, kind in place.targets.items() if kind.in_memory]
    if not served or random.random() < 0.6:
        return None
    verb = random.choice(tuple(FAULTS))
    return ServerFault(random.choice(served), verb, random.choice(FAULTS[verb]), random.choice((1, 1, 2)))


def _bearable(scenario: Scenario) -> Scenario:
    """No more errors than a task survives: the others become kills."""
    left = MOST_ERRORS - (scenario.fault is not None)
    workers: list[Trap | None] = []
    for trap in scenario.workers:
        assert trap is not None
        counted = trap.act in (Act.fail, Act.lose)
        workers.append(trap if not counted or left > 0 else replace(trap, act=Act.kill))
        left -= counted
    return replace(scenario, workers=tuple(workers))
