"""How each failpoint is reached: the run that leads there, by place. What is named nowhere fails the suite."""

from __future__ import annotations

from dataclasses import replace

from rescind.failpoints import NAMES
from tests.crash.scenario import Act, Job, Place, Scenario, Trap

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

#: What leaves a two-phase branch prepared, and a one-phase branch decided but not committed.
PREPARED = Trap("prepare.after")
DECIDED = Trap("commit1p.before")
LOST = Trap("branch.after_data")


def roads(place: Place) -> dict[str, Scenario]:
    """The runs that reach each point at that place and are killed there."""
    write = Scenario(0, place)
    found = {point: _worker(write, point) for point in EVERYWHERE}
    found |= {point: _worker(replace(write, job=Job.slow), point) for point in HEARTBEAT}
    found |= {point: _worker(replace(write, job=Job.fail), point) for point in OWN_ABORT}
    found |= {f"{point} in the worker": _worker(replace(write, job=Job.fail), point) for point in ABORT}
    found |= {point: _recoverer(write, LOST, point) for point in (*ABORT, *RECOVERY)}
    found |= {f"{point} of a commit": _recoverer(write, Trap("decide.after"), point) for point in RECOVERY}
    if place not in (Place.memory, Place.pair):
        found |= {point: _worker(write, point) for point in ONE_PHASE}
        found |= {point: _recoverer(write, DECIDED, point) for point in TOMBSTONE}
    if place not in (Place.sqlite, Place.one_phase):
        found |= {point: _worker(write, point) for point in (*PREPARE, *TWO_PHASE)}
        found["abort.sent_no_reply"] = _recoverer(write, PREPARED, "abort.sent_no_reply")
    if place in (Place.pair, Place.mixed, Place.mixed_memory):
        second = [p for p in found if p.startswith("branch.") and p != "branch.after_data"]
        second += [*PREPARE, *TWO_PHASE] if place is Place.pair else []
        later = {"branch.mid_data": 5}
        found |= {f"{p} in the second branch": _worker(write, p, later.get(p, 2)) for p in second}
    if len(place.targets) == 1:
        found["upload.changed_file"] = _worker(replace(write, job=Job.load), "upload.changed_file")
    return found


def three_deaths(place: Place) -> dict[str, Scenario]:
    """Recovery is killed three times in a row, at each point of its own."""
    write = Scenario(0, place)
    reached = {point: LOST for point in ABORT}
    reached |= {point: Trap("decide.after") for point in (*RECOVERY, "finish.before", "finish.sent_no_reply")}
    if place not in (Place.memory, Place.pair):
        reached |= {point: DECIDED for point in TOMBSTONE}
    if place not in (Place.sqlite, Place.one_phase):
        reached["abort.sent_no_reply"] = PREPARED
    return {
        point: replace(write, workers=(first,), recoverers=(Trap(point),) * 3) for point, first in reached.items()
    }


def all_named() -> frozenset[str]:
    """Every point that some road leads to."""
    found = {trap.point for place in Place for scenario in roads(place).values() for trap in scenario.traps()}
    return frozenset(found) | ELSEWHERE


def unnamed() -> frozenset[str]:
    return NAMES - all_named()


def _worker(scenario: Scenario, point: str, at: int = 1) -> Scenario:
    return replace(scenario, workers=(Trap(point, Act.kill, at),))


def _recoverer(scenario: Scenario, first: Trap, point: str) -> Scenario:
    return replace(scenario, workers=(first,), recoverers=(Trap(point),))
