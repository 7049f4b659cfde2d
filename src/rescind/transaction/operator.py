"""What an operator decides where nothing is decided by itself; each word is kept, with who said it and why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from rescind.domain.branch import BranchId, MarkerKind
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import InvalidRequest, RescindError, TargetUnavailable, Undecided
from rescind.ledger import branches, hazard, incarnation, tasks
from rescind.ledger.events import record
from rescind.telemetry.logs import log
from rescind.transaction import proof
from rescind.transaction.situation import Listed, Observer, Seen, Situation
from rescind.transaction.verdict import Verdict

BEAT_SECONDS = 3.0  #: within it a worker that is at work beats
BRANCH_ENDED = "branch-by-operator"  #: the kind of the event


class BranchEnd(StrEnum):
    """How an operator ends a prepared branch."""

    commit = "commit"
    rollback = "rollback"


@dataclass(frozen=True)
class Recovered:
    """What was undecided before a sweep, what is after it, and the state of every task that it found at work."""

    before: Situation
    after: Situation
    states: dict[str, State | None]


@dataclass(frozen=True)
class Restored:
    """The ledger's lives, what each target had seen of them, and how many tasks in each state had not ended."""

    last: int
    new: int
    seen: dict[str, int]
    waiting: dict[State, int]


@dataclass(frozen=True)
class Settled:
    """A task in hazard and an operator's word on it; `warnings` are what speaks against it."""

    task: Task
    seen: tuple[Seen, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Operator:
    """`name` is who acts. With `dry_run` everything is looked at and checked, and nothing done."""

    observer: Observer
    sweep: Callable[[], None]
    name: str
    dry_run: bool = False

    def recover(self) -> Recovered:
        """Do once what the sweeper does again and again."""
        before = self.observer.look()
        if not self.dry_run:
            self.sweep()
        after = before if self.dry_run else self.observer.look()
        found = [self.observer.task(each.task.id) for each in before.tasks]
        states = {
            each.task.id: None if now is None else now.state for each, now in zip(before.tasks, found, strict=True)
        }
        return Recovered(before, after, states)

    def end_branch(self, gid: str, how: BranchEnd, why: str) -> Listed:
        """End a prepared branch that is in quarantine, or whose task is in hazard; everything else ends by itself.

        Raises InvalidRequest, and Undecided where it is not proven afterwards that it ended so.
        """
        found = self._to_be_ended(gid)
        target = self.observer.targets[found.target]
        self._end_owner(found)
        if self.dry_run:
            return found
        self._audit_branch(found, how, why)
        act = target.commit_prepared if how is BranchEnd.commit else target.rollback_prepared
        try:
            act(found.branch)
        except RescindError as error:
            log.warning("operator.no-answer", branch=gid, target=found.target, error=str(error))  # it decides nothing
        listed = found.branch in target.list_prepared(found.branch.ledger)
        marked = proof.marker_of(target, found.branch) is not None
        if listed or marked is not (how is BranchEnd.commit):
            shows = "is still listed" if listed else "has its marker" if marked else "left no marker: look for its rows"
            raise Undecided(f"It is not proven that {gid} ended as {how} in target {found.target}: it {shows}.")
        log.warning("operator.ended-branch", branch=gid, target=found.target, how=how, operator=self.name, why=why)
        return found

    def settle(self, task_id: str, to: State, why: str) -> Settled:
        """An operator's word on a task in hazard. Raises UnknownId, InvalidRequest, TargetUnavailable."""
        with self.observer.ledger.read() as connection:
            task = tasks.require(connection, task_id)
        if task.state is not State.hazard:
            raise InvalidRequest(f"Task {task_id} is {task.state}; only a task in hazard needs an operator's word.")
        seen = self.observer.seen(task_id)
        self._expect_nothing_prepared(task, seen)
        settled = Settled(task, seen, tuple(_against(task, to, seen)))
        if self.dry_run:
            return settled
        evidence = {each.target: each.document() for each in seen}
        with self.observer.ledger.write() as connection:
            if not hazard.settle(connection, task, to, self.name, why, evidence):
                raise InvalidRequest(f"Task {task_id} was settled by somebody else meanwhile.")
        log.warning("operator.settled", task=task_id, to=to, operator=self.name, why=why, against=settled.warnings)
        return settled

    def restored(self) -> Restored:
        """Begin a new life of the ledger, after every one that a target has seen.

        Raises TargetUnavailable where one of them does not answer, InvalidRequest where a worker is at work.
        """
        ledger = self.observer.ledger
        seen = {name: self._newest(name) for name in self.observer.targets}
        self._expect_no_worker()
        last = ledger.incarnation()
        new = max(last, *seen.values()) + 1
        with ledger.read() as connection:
            waiting = Counter(task.state for task in tasks.in_states(connection, *_NOT_ENDED))
        if not self.dry_run:
            with ledger.write() as connection:
                if not incarnation.begin(connection, last, new, {"operator": self.name}):
                    raise InvalidRequest("Somebody else has just declared this ledger restored; look again.")
            log.warning("operator.restored", last=last, new=new, seen=seen, operator=self.name)
        return Restored(last, new, seen, dict(waiting))

    def _to_be_ended(self, gid: str) -> Listed:
        branch = BranchId.parse(gid)
        if branch is None or branch.ledger != self.observer.ledger.identity()[0]:
            raise InvalidRequest(f"{gid} is not the name of a branch of this ledger.")
        found = self.observer.listed(branch)
        if found is None:
            raise InvalidRequest(f"No target that answers lists {gid} as prepared.")
        task = self.observer.task(branch.task)
        if found.verdict is not Verdict.quarantine and (task is None or task.state is not State.hazard):
            raise InvalidRequest(f"{gid} ends by itself ({found.verdict}): {found.why}")
        return found

    def _end_owner(self, found: Listed) -> None:
        """A branch whose owner is connected cannot be finished by anybody else."""
        with self.observer.ledger.read() as connection:
            entry = branches.find(connection, found.branch)
        if entry is None or self.dry_run:
            return
        if not proof.end_session(self.observer.targets[found.target], entry.session):
            raise Undecided(f"The session of {found.branch} in {found.target} is still alive.")

    def _audit_branch(self, found: Listed, how: BranchEnd, why: str) -> None:
        """Before it is done: whatever comes of it, it is known who wanted it."""
        evidence = {each.target: each.document() for each in self.observer.seen(found.branch.task)}
        detail = {"branch": str(found.branch), "target": found.target, "how": how, "operator": self.name, "why": why}
        log.warning("operator.ends-branch", verdict=found.verdict, **detail)
        task = self.observer.task(found.branch.task)
        if task is not None:
            with self.observer.ledger.write() as connection:
                record(connection, task.id, BRANCH_ENDED, found.branch.attempt, detail | {"evidence": evidence})

    def _expect_nothing_prepared(self, task: Task, seen: tuple[Seen, ...]) -> None:
        answered = {each.target: each.error for each in seen}
        for name in task.targets:
            error = answered.get(name, "it is not configured")
            if error is not None:
                raise TargetUnavailable(f"Target {name} must answer before task {task.id} is settled: {error}")
        if left := [branch for each in seen for branch in each.prepared]:
            raise InvalidRequest(
                f"{left[0]} is still prepared: end it first, with `rescind recover --branch {left[0]} --as …`."
            )

    def _newest(self, name: str) -> int:
        try:
            return self.observer.targets[name].newest_incarnation(self.observer.ledger.identity()[0])
        except RescindError as error:
            raise TargetUnavailable(
                f"Every target must answer, or it may know a later life of the ledger; {name} does not: {error}"
            ) from error

    def _expect_no_worker(self) -> None:
        first = self._beats()
        if not first:
            return
        time.sleep(BEAT_SECONDS)
        if moved := [task_id for task_id, beat in self._beats().items() if first.get(task_id, beat) != beat]:
            raise InvalidRequest(f"A worker is at task {moved[0]}: stop every process of Rescind first.")

    def _beats(self) -> dict[str, int]:
        with self.observer.ledger.read() as connection:
            return {task.id: task.beat for task in tasks.in_states(connection, *_AT_WORK)}


_AT_WORK = (State.running, State.committing, State.aborting)
_NOT_ENDED = (State.queued, State.prepared, *_AT_WORK)


def _against(task: Task, to: State, seen: tuple[Seen, ...]) -> Iterator[str]:
    """What the markers say against an operator's word."""
    marked = [m.branch for each in seen for m in each.markers if m.kind is MarkerKind.marker]
    if to is State.failed:
        for branch in sorted(set(marked)):
            yield f"The marker of {branch} is there: so are its rows, unless you have deleted them."
        return
    for number, target in enumerate(task.targets):
        attempts = {branch.attempt for branch in marked if branch.branch == number}
        if not attempts:
            yield f"Branch {number} (target {target}) has no marker: its rows are missing, unless you have put them in."
        elif len(attempts) > 1:
            yield f"Branch {number} (target {target}) committed in {len(attempts)} attempts: its rows are there twice."
