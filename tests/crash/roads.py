"""How each failpoint is reached: the run that leads there, by place. What is named nowhere fails the suite."""

from __future__ import annotations

from dataclasses import replace

from tests.crash.scenario import Act, Job, Place, Scenario, Trap

from rescind.failpoints import NAMES

#: Points that every attempt at `write` passes.
EVERYWHERE = (
    "claim.before", "claim.after_update", "claim.after_commit",
    "branch.before_register", "branch.after_register", "branch.after_start", "branch.mid_data", "branch.after_data",
    "branch.before_marker", "branch.after_marker",
    "decide.before", "decide.sent_no_reply", "decide.after",
    "recover.before_scan", "recover.between_scan_and_act",
    "finish.before", "finish.sent_no_reply", "finish.after",
    "ledger.io_error", "ledger.busy", "ledger.disk_full",
)  # fmt: skip
PREPARE = ("prepare.before", "prepare.sent_no_reply", "prepare.after", "prepare.before_list", "prepare.after_list")
ONE_PHASE = ("commit1p.before", "commit1p.sent_no_reply", "commit1p.after")
TWO_PHASE = ("commit2p.before", "commit2p.sent_no_reply", "commit2p.after")
#: Points on the way back, whoever walks it.
ABORT = (
    "abort.before_kill", "abort.after_kill", "abort.before_rollback", "abort.after_rollback", "abort.before_final",
)  # fmt: skip
#: Points on the way back that only a worker passes.
OWN_ABORT = ("abort.before_mark", "abort.after_mark")
TOMBSTONE = ("recover.before_tombstone", "recover.tombstone_sent_no_reply", "recover.after_tombstone")
RECOVERY = ("recover.before_scan", "recover.between_scan_and_act", "sweep.before_dead", "sweep.before_orphans")
HEARTBEAT = ("heartbeat.late", "heartbeat.skip")

#: Points that other files of this suite reach: they lie before a task is there, or after it has ended.
ELSEWHERE = frozenset(
    {
        "submit.before_insert", "submit.after_insert", "submit.after_commit", "submit.before_reply",
        "upload.short_read", "upload.disk_full",
        "announce.before", "announce.after_publish", "announce.before_mark", "sweep.before_announce",
        "forget.before", "forget.between", "forget.after",
    }
)  # fmt: skip

#: Points that the second branch of an attempt passes, at which hit.
SECOND_BRANCH = (
    ("branch.before_register", 2), ("branch.after_start", 2), ("branch.mid_data", 5), ("branch.before_marker", 2),
    ("branch.after_marker", 2),
)  # fmt: skip

#: What leaves a two-phase branch prepared, and a one-phase branch decided but not committed.
PREPARED = Trap("prepare.after")
DECIDED = Trap("commit1p.before")
LOST = Trap("branch.after_data")


def roads(place: Place) -> dict[str, Scenario]:
    """The runs that reach each point at that place and are killed there.

    An SQLite file and a memory server have them all; the other places what is done differently there.
    """
    found: dict[str, Scenario] = {}
    if place in (Place.sqlite, Place.memory):
        found |= _of_any_target(Scenario(0, place))
    write = Scenario(0, place)
    if has_one_phase(place):
        found |= {point: _worker(write, point) for point in ONE_PHASE}
        found |= {point: _recoverer(write, DECIDED, point) for point in TOMBSTONE}
    if has_two_phases(place):
        found |= {point: _worker(write, point) for point in (*PREPARE, *TWO_PHASE)}
        found["abort.sent_no_reply"] = _recoverer(write, PREPARED, "abort.sent_no_reply")
    if len(place.targets) == 2:
        found |= {f"{p} in the second branch": _worker(write, p, at) for p, at in SECOND_BRANCH}
        found |= {f"{point} of a commit": _recoverer(write, Trap("decide.after"), point) for point in RECOVERY}
    if place is Place.pair:
        found |= {f"{p} in the second branch": _worker(write, p, 2) for p in (*PREPARE, *TWO_PHASE)}
    return found


def has_one_phase(place: Place) -> bool:
    """Whether a branch there commits in one phase."""
    return place not in (Place.memory, Place.pair)


def has_two_phases(place: Place) -> bool:
    """Whether a branch there is prepared first."""
    return place not in (Place.sqlite, Place.one_phase)


def _of_any_target(write: Scenario) -> dict[str, Scenario]:
    found = {point: _worker(write, point) for point in EVERYWHERE}
    found |= {point: _worker(replace(write, job=Job.slow), point) for point in HEARTBEAT}
    found |= {point: _worker(replace(write, job=Job.fail), point) for point in OWN_ABORT}
    found |= {f"{point} in the worker": _worker(replace(write, job=Job.fail), point) for point in ABORT}
    found |= {point: _recoverer(write, LOST, point) for point in (*ABORT, *RECOVERY)}
    found["upload.changed_file"] = _worker(replace(write, job=Job.load), "upload.changed_file")
    return found


def three_deaths(place: Place) -> dict[str, Scenario]:
    """Recovery is killed three times in a row at each point that it comes to anew every time."""
    if place in (Place.pair, Place.one_phase, Place.mixed_memory):
        return {}
    write = Scenario(0, place)
    reached = {point: LOST for point in (*ABORT, *RECOVERY) if point != "sweep.before_orphans"}
    reached["finish.before"] = Trap("commit1p.after" if has_one_phase(place) else "decide.after")
    if has_one_phase(place):
        reached |= dict.fromkeys(TOMBSTONE, DECIDED)
    return {point: replace(write, workers=(first,), recoverers=(Trap(point),) * 3) for point, first in reached.items()}


#: Places where an attempt that is held, or makes a table outside a transaction, may die: reached within one process, by
#: tests/unit/transaction/test_held.py and test_tables.py.
WITHIN_ONE_PROCESS = frozenset(point for point in NAMES if point.startswith(("ddl.", "hold.")))


def all_named() -> frozenset[str]:
    """Every point that some road leads to."""
    found = {trap.point for place in Place for scenario in roads(place).values() for trap in scenario.traps()}
    return frozenset(found) | ELSEWHERE | WITHIN_ONE_PROCESS


def unnamed() -> frozenset[str]:
    return NAMES - all_named()


def _worker(scenario: Scenario, point: str, at: int = 1) -> Scenario:
    return replace(scenario, workers=(Trap(point, Act.kill, at),))


def _recoverer(scenario: Scenario, first: Trap, point: str) -> Scenario:
    return replace(scenario, workers=(first,), recoverers=(Trap(point),))
