"""A scenario from a seed: the same seed gives the same scenario, in every process and Python."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.crash import roads
from tests.crash.scenario import Act, Job, Place, Scenario, ServerFault, Trap, Wake

from rescind.testing.memory.faults import Fault

PLACES = (Place.sqlite,) * 4 + (Place.memory,) * 3 + (Place.one_phase, Place.pair, Place.mixed, Place.mixed_memory)
JOBS = (Job.write,) * 6 + (Job.slow, Job.fail, Job.load, Job.create, Job.generate, Job.clear)
ACTS = (Act.kill,) * 8 + (Act.hang,) * 2 + (Act.stall,) + (Act.stop,) * 2 + (Act.fail, Act.lose, Act.lose)
MOST_ERRORS = 2  #: errors that are counted against a task: at the third it rightly fails

#: Points inside a transaction of the ledger: who hangs or asks for a stop there waits for itself.
IN_LEDGER = frozenset({"claim.after_update"})
#: Points that the task's own function passes: an error there is its own, and rightly ends the task.
IN_FUNCTION = frozenset({"branch.before_register", "branch.after_register", "branch.after_start", "branch.mid_data"})
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


def draw(seed: int) -> Scenario:
    """Anything at all, as far as one task can bear it."""
    random = Random(seed)
    place = random.choice(PLACES)
    job = random.choice(JOBS)
    if len(place.targets) == 2 and job not in (Job.write, Job.slow, Job.fail):
        job = Job.write
    workers = tuple(_worker_trap(random, place) for _ in range(random.choice((1, 1, 1, 2, 3))))
    recoverers = tuple(_recoverer_trap(random, place) for _ in range(random.choice((0, 0, 1, 2, 3))))
    beside = random.choice((0, 0, 0, 1, 2))
    return _bearable(
        Scenario(
            seed,
            place,
            job,
            workers,
            recoverers,
            together=random.choice((1, 1, 1, 2)),
            beside=beside,
            stop_after=random.choice((None, None, None, random.uniform(0.0, 0.15))),
            wake=random.choice(tuple(Wake)),
            # Beside living workers a short lease would take them for dead when the machine is busy.
            lease_seconds=1.0 if beside else 0.3,
            fault=_fault(random, place),
            lingers=beside > 0 and random.random() < 0.5,
        )
    )


def draw_zombie(seed: int) -> Scenario:
    """A worker that is stopped past its lease at any moment, and goes on when others have its task."""
    random = Random(seed)
    place = random.choice(tuple(Place))
    points = [p for p in _worker_points(place) if p not in IN_LEDGER and p not in LEDGER]
    at_a_point = random.random() < 0.6
    return Scenario(
        seed,
        place,
        random.choice((Job.write, Job.write, Job.slow, Job.fail)),
        workers=(Trap(random.choice(points), Act.hang, random.choice((1, 1, 2))),) if at_a_point else (),
        pause_after=None if at_a_point else random.uniform(0.0, 0.2),
        wake=random.choice(tuple(Wake)),
    )


def _worker_points(place: Place) -> list[str]:
    points = [*roads.EVERYWHERE, *roads.HEARTBEAT, *roads.OWN_ABORT, *roads.ABORT]
    points += roads.ONE_PHASE if roads.has_one_phase(place) else ()
    points += roads.PREPARE + roads.TWO_PHASE if roads.has_two_phases(place) else ()
    return points


def _recoverer_points(place: Place) -> list[str]:
    points = [*roads.ABORT, *roads.RECOVERY, "finish.before", "finish.sent_no_reply", "finish.after", *LEDGER]
    points += roads.TOMBSTONE if roads.has_one_phase(place) else ()
    points += ["abort.sent_no_reply"] if roads.has_two_phases(place) else []
    return points


def _worker_trap(random: Random, place: Place) -> Trap:
    return _trap(random, random.choice(_worker_points(place)), random.choice((1, 1, 1, 2, 3)))


def _recoverer_trap(random: Random, place: Place) -> Trap:
    return _trap(random, random.choice(_recoverer_points(place)), random.choice((1, 1, 1, 2)))


def _trap(random: Random, point: str, at: int) -> Trap:
    if point in LEDGER:
        return Trap(point, random.choice((Act.kill, Act.outage, Act.outage)), random.randint(1, 8))
    act = random.choice(ACTS)
    unbearable = point in IN_LEDGER and act in (Act.hang, Act.stall, Act.stop)
    unbearable |= point in IN_FUNCTION and act in (Act.fail, Act.lose)
    return Trap(point, Act.kill if unbearable else act, at)


def _fault(random: Random, place: Place) -> ServerFault | None:
    served = [name for name in place.targets if place is not Place.sqlite and (place, name) != (Place.mixed, "default")]
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
