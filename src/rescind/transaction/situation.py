"""What is undecided, and what is going to be done about it: looked at, explained, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rescind.domain.branch import BranchId, Marker
from rescind.domain.moments import rfc3339
from rescind.domain.states import TAKEN_BACK, State
from rescind.domain.task import Task
from rescind.errors import BranchGone, Contradiction, RescindError
from rescind.ledger import branches, tasks
from rescind.ledger.engine import Ledger, clock
from rescind.targets.target import Target
from rescind.transaction import held
from rescind.transaction.verdict import Verdict, judge

UNDECIDED = (State.running, State.prepared, State.committing, State.aborting, State.hazard)


@dataclass(frozen=True)
class Seen:
    """What one target shows of one task; `error` says why it shows nothing."""

    target: str
    markers: tuple[Marker, ...] = ()
    prepared: tuple[BranchId, ...] = ()
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON, for the history of the task."""
        shown = [f"{m.branch} {m.kind}, {m.rows} rows, at {rfc3339(m.at)}" for m in self.markers]
        found: dict[str, Any] = {"markers": shown, "prepared": [str(branch) for branch in self.prepared]}
        return found if self.error is None else {"error": self.error}


@dataclass(frozen=True)
class Listed:
    """A prepared branch of this ledger. `since`: when it was registered, where the ledger knows it.

    `seen`: what each target shows of its task, where an operator has to decide.
    """

    branch: BranchId
    target: str
    verdict: Verdict
    why: str
    since: datetime | None
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Open:
    """A task that is at work, held, undecided or in hazard, and what is going to be done about it."""

    task: Task
    plan: str
    seen: tuple[Seen, ...] = ()  #: in hazard only


@dataclass(frozen=True)
class Situation:
    """All of it. `away`: targets that do not answer, and why; `later`: those that know a later life of the ledger."""

    ledger: str
    incarnation: int
    away: dict[str, str]
    later: dict[str, int]
    branches: tuple[Listed, ...]
    tasks: tuple[Open, ...]


@dataclass(frozen=True)
class Observer:
    """`worker_left` tells of a task whether its worker is known to be gone, `lease_seconds` when others notice it."""

    ledger: Ledger
    targets: Mapping[str, Target]
    worker_left: Callable[[Task], bool]
    lease_seconds: float

    def look(self) -> Situation:
        """Ask the ledger and every target. Raises LedgerUnavailable only."""
        incarnation = self.ledger.incarnation()
        away: dict[str, str] = {}
        later: dict[str, int] = {}
        listed: dict[BranchId, Listed] = {}
        for name, target in self.targets.items():
            try:
                if (newest := target.newest_incarnation(self._name)) > incarnation:
                    later[name] = newest
                for branch in target.seen_prepared(self._name):
                    if branch not in listed:  # one server lists it in every target that it has
                        listed[branch] = self._explained(branch, name)
            except RescindError as error:
                away[name] = str(error)
        return Situation(self._name, incarnation, away, later, tuple(listed.values()), self._open_tasks())

    def seen(self, task_id: str) -> tuple[Seen, ...]:
        """What every target shows of a task."""
        return tuple(self._seen(name, task_id) for name in self.targets)

    def listed(self, branch: BranchId) -> Listed | None:
        """The branch as it is prepared now; None where no target that answers lists it."""
        for name, target in self.targets.items():
            try:
                if branch in target.seen_prepared(self._name):
                    return self._explained(branch, name)
            except RescindError:
                continue
        return None

    def task(self, task_id: str) -> Task | None:
        with self.ledger.read() as connection:
            return tasks.get(connection, task_id)

    @property
    def _name(self) -> str:
        return self.ledger.identity()[0]

    def _seen(self, name: str, task_id: str) -> Seen:
        target = self.targets[name]
        try:
            prepared = tuple(branch for branch in target.list_prepared(self._name) if branch.task == task_id)
            return Seen(name, tuple(target.markers(self._name, task_id)), prepared)
        except RescindError as error:
            return Seen(name, error=str(error))

    def _explained(self, branch: BranchId, target: str) -> Listed:
        verdict = judge(self.ledger, branch)
        task = self.task(branch.task)
        with self.ledger.read() as connection:
            registered = branches.find(connection, branch)
        known = registered.target if registered is not None and registered.target in self.targets else target
        why = _why(branch, task, verdict, self.ledger.incarnation(), known=registered is not None)
        seen = self.seen(branch.task) if verdict is Verdict.quarantine else ()
        return Listed(branch, known, verdict, why, registered.at if registered else None, seen)

    def _open_tasks(self) -> tuple[Open, ...]:
        with self.ledger.read() as connection:
            found = tasks.in_states(connection, *UNDECIDED)
            now = clock(connection)
        return tuple(
            Open(task, self._plan(task, now), self.seen(task.id) if task.state is State.hazard else ())
            for task in found
        )

    def _plan(self, task: Task, now: datetime) -> str:
        if task.state is State.hazard:
            return "Nothing is done by itself: an operator must look, and say what became of it."
        if task.state is State.prepared:
            return self._held(task, now)
        if task.worker is not None and not self.worker_left(task):
            return f"Left to its worker; if that falls silent, a sweeper takes over {self.lease_seconds:g} s later."
        match task.state:
            case State.running:
                return "Its worker is gone: the attempt is taken back" + (
                    "; a stop was asked for." if task.stop_requested else ", and another one follows."
                )
            case State.committing:
                return "It is decided: every branch of it is committed."
        return "It is taken back: its sessions are ended, its branches rolled back, and that is proven."

    def _held(self, task: Task, now: datetime) -> str:
        if task.stop_requested:
            return "It was held, and a stop was asked for: it is taken back."
        if held.over(task, now):
            return "It was held, and its time is over: it is taken back."
        until = "" if task.hold_until is None else f" until {rfc3339(task.hold_until)}"
        try:
            held.expect_whole(self.ledger, self.targets, task)
        except BranchGone as gone:
            return f"It was held. {gone}"
        except Contradiction as contradiction:
            return f"It was held, and nobody has decided it. {contradiction} It ends in hazard: an operator is called."
        except RescindError as away:
            return f"It is held{until}, and cannot be committed until it is seen whether all of it is prepared: {away}"
        return f"It is held{until} for a person's commit or stop."


def _why(branch: BranchId, task: Task | None, verdict: Verdict, incarnation: int, *, known: bool) -> str:
    if task is None:
        return "The ledger knows no such task."
    if branch.incarnation != incarnation:
        life = "an earlier" if branch.incarnation < incarnation else "a later"
        return f"It is of {life} life of the ledger ({branch.incarnation}; now it is {incarnation})."
    if not known:
        return f"The ledger has never heard of it; its task is {task.state}, at attempt {task.attempt}."
    if branch.attempt < task.attempt:
        return f"Its attempt was taken back; the task is {task.state}, at attempt {task.attempt}."
    if verdict is Verdict.leave:
        return f"Its task is {task.state}, and is told of below."
    done = (
        "was taken back" if task.state in TAKEN_BACK else "is to be tried anew" if verdict is Verdict.roll_back else ""
    )
    return f"Its task is {task.state}" + (f": it {done}." if done else ".")
