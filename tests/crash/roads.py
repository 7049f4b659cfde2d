"""How each failpoint is reached: the run that leads there, by place. What is named nowhere fails the suite."""

from __future__ import annotations

from dataclasses import replace

from tests.crash.places import Kind, Place
from tests.crash.scenario import Act, Held, Job, Scenario, Trap

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
HOLD = ("hold.before_close", "hold.after_close", "hold.after_mark")
MAKE = ("ddl.before_record", "ddl.after_record", "ddl.after_ddl")
UNDO = ("ddl.before_undo", "ddl.after_undo")
FINISH = ("finish.before", "finish.sent_no_reply", "finish.after")

#: Points that other files of this suite reach: they lie before a task is there, or after it has ended.
ELSEWHERE = frozenset(
    {
        "submit.before_insert", "submit.after_insert", "submit.after_commit", "submit.before_reply",
        "upload.short_read", "upload.disk_full",
        "announce.before", "announce.after_publish", "announce.before_mark", "sweep.before_announce",
        "forget.before", "forget.between", "forget.after", "output.before_remove",
    }
)  # fmt: skip

#: Points that the second branch of an attempt passes, at which hit.
SECOND_BRANCH = (
    ("branch.before_register", 2), ("branch.after_start", 2), ("branch.mid_data", 5), ("branch.before_marker", 2),
    ("branch.after_marker", 2),
)  # fmt: skip

#: The point of a load that has looked at its file and its table, and has no branch yet.
CHECKED = "load.checked"

#: Points of an attempt that makes a file, each before its decision.
OUTPUT = ("output.mid_data", "output.before_rename", "output.after_rename")

#: What leaves a two-phase branch prepared, and a one-phase branch decided but not committed.
PREPARED = Trap("prepare.after")
DECIDED = Trap("commit1p.before")
LOST = Trap("branch.after_data")


#: Where every road is walked; at the other places only what is done differently there.
WHOLE = (Place.sqlite, Place.memory, Place.postgresql_two_phase, Place.mariadb)
#: Where tasks are held.
HELD = (Place.memory, Place.postgresql, Place.mariadb, Place.postgresql_mariadb)


def roads(place: Place) -> dict[str, Scenario]:
    """The runs that reach each point at that place and are killed there."""
    if Kind.myisam in place.kinds:
        return {}  # no task gets as far as a write there, unless a guard is taken out
    write = Scenario(0, place)
    found = _of_any_target(write) if place in WHOLE else {}
    if write.one_phase:
        found |= {point: _worker(write, point) for point in ONE_PHASE}
        found |= {point: _recoverer(write, DECIDED, point) for point in TOMBSTONE}
    if write.two_phase:
        found |= {point: _worker(write, point) for point in (*PREPARE, *TWO_PHASE)}
        found["abort.sent_no_reply"] = _recoverer(write, PREPARED, "abort.sent_no_reply")
    if len(place.targets) == 2:
        found |= {f"{p} in the second branch": _worker(write, p, at) for p, at in SECOND_BRANCH}
        found |= {f"{point} of a commit": _recoverer(write, Trap("decide.after"), point) for point in RECOVERY}
    if not write.one_phase and len(place.targets) == 2:
        found |= {f"{p} in the second branch": _worker(write, p, 2) for p in (*PREPARE, *TWO_PHASE)}
    if any(kind.by_itself for kind in place.kinds) and len(place.targets) == 1:
        found |= _of_made_tables(replace(write, job=Job.create))
    if place in HELD:
        found |= _of_held_tasks(write)
    if place in (*WHOLE, Place.postgresql):
        found |= _of_dry_runs(replace(write, dry_run=True))
    if place in (Place.postgresql, Place.memory):
        two = replace(write, job=Job.load_by_two)
        found |= {f"{p} in the second of two writers": _worker(two, p, 2) for p in (*PREPARE, *TWO_PHASE)}
    return found


def _of_made_tables(create: Scenario) -> dict[str, Scenario]:
    """Where CREATE TABLE commits by itself."""
    found = {point: _worker(create, point) for point in MAKE}
    found |= {f"{point} after {first}": _recoverer(create, Trap(first), point) for point in UNDO for first in MAKE[1:]}
    found |= {f"{point} of a made table": _recoverer(create, LOST, point) for point in ("abort.before_final", *UNDO)}
    return found | {f"{point} of a dry run": _worker(replace(create, dry_run=True), point) for point in UNDO}


def _of_held_tasks(write: Scenario) -> dict[str, Scenario]:
    """Held, and then committed, stopped or expired; each of the sweepers on the way may die."""
    commit, stop, expiry = (replace(write, held=held) for held in (Held.commit, Held.stop, Held.expiry))
    found = {f"{point} of a held task": _worker(commit, point) for point in HOLD}
    found |= {f"{p} of a held task's commit": _alone(commit, p) for p in (*RECOVERY[:2], *FINISH)}
    back = (*ABORT, "abort.sent_no_reply")
    found |= {f"{point} of a held task's stop": _alone(stop, point) for point in back}
    return found | {f"{p} of a held task's expiry": _alone(expiry, p) for p in ("recover.before_scan", *back[-2:])}


def _of_dry_runs(write: Scenario) -> dict[str, Scenario]:
    points = ("decide.sent_no_reply", "decide.after", *ABORT)
    return {f"{point} of a dry run": _worker(write, point) for point in points}


def _of_any_target(write: Scenario) -> dict[str, Scenario]:
    found = {point: _worker(write, point) for point in EVERYWHERE}
    found |= {point: _worker(replace(write, job=Job.slow), point) for point in HEARTBEAT}
    found |= {point: _worker(replace(write, job=Job.fail), point) for point in OWN_ABORT}
    found |= {f"{point} in the worker": _worker(replace(write, job=Job.fail), point) for point in ABORT}
    found |= {point: _recoverer(write, LOST, point) for point in (*ABORT, *RECOVERY)}
    found["upload.changed_file"] = _worker(replace(write, job=Job.load), "upload.changed_file")
    found |= {f"{CHECKED} of a {job}": _worker(replace(write, job=job), CHECKED) for job in (Job.load, Job.create)}
    found |= _of_files(replace(write, job=Job.report))
    return found


def _of_files(report: Scenario) -> dict[str, Scenario]:
    """Around a file that an attempt makes: it is there with the commit, whoever finishes it, and only then."""
    found = {point: _worker(report, point) for point in (*OUTPUT, "branch.after_data", "decide.before")}
    found["finish.before"] = _recoverer(
        report, Trap("commit1p.after" if report.one_phase else "decide.after"), "finish.before"
    )
    export = replace(report, job=Job.export)
    found |= {f"{p} of an export": _worker(export, p) for p in ("branch.after_start", *OUTPUT, "branch.after_marker")}
    found["output.mid_data of an export's rows"] = _worker(export, "output.mid_data", 2)
    found["output.disk_full"] = replace(report, workers=(Trap("output.disk_full", Act.fail),))
    return {f"{point} with a file": scenario for point, scenario in found.items()}


def three_deaths(place: Place) -> dict[str, Scenario]:
    """Recovery is killed three times in a row at each point that it comes to anew every time."""
    if place not in (*WHOLE, Place.mixed, Place.postgresql, Place.mariadb_sqlite):
        return {}
    write = Scenario(0, place)
    reached = {point: LOST for point in (*ABORT, *RECOVERY) if point != "sweep.before_orphans"}
    reached["finish.before"] = Trap("commit1p.after" if write.one_phase else "decide.after")
    if write.one_phase:
        reached |= dict.fromkeys(TOMBSTONE, DECIDED)
    return {point: replace(write, workers=(first,), recoverers=(Trap(point),) * 3) for point, first in reached.items()}


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


def _alone(scenario: Scenario, point: str) -> Scenario:
    """The worker comes to its end; the first recoverer dies there."""
    return replace(scenario, recoverers=(Trap(point),))
