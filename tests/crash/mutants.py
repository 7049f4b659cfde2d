"""Versions of the protocol with one guard taken out, for the proof that the suite would notice.

They exist in the processes of a run only: the service has no switch for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, update
from tests.crash.guards import put, put_back
from tests.crash.mode_mutants import MODE_MUTANTS, OF_LOOKERS

from rescind import failpoints
from rescind.domain.branch import BranchId, Marker, MarkerKind, Protocol
from rescind.domain.states import State
from rescind.domain.task import Problem, Task
from rescind.ledger import branches as ledger_branches
from rescind.ledger import tables, tasks, transitions
from rescind.ledger.branches import Registered
from rescind.ledger.engine import Ledger
from rescind.targets.mysql import reach, undo
from rescind.targets.mysql.session import run
from rescind.targets.mysql.sql import quote
from rescind.targets.postgresql import session as postgresql_session
from rescind.targets.postgresql.target import PostgreSQLTarget
from rescind.targets.target import Branch
from rescind.transaction import held, preflight, verdict
from rescind.transaction.coordinator import Coordinator
from rescind.transaction.recovery import COMMIT_REFUSED, Recovery
from rescind.transaction.verdict import Verdict
from rescind.transaction.work import Work
from rescind.worker import watchdog


def apply(name: str | None) -> None:
    """Take the guard of that name out of this process."""
    if name is not None:
        MUTANTS[name]()


@contextmanager
def applied(name: str | None) -> Iterator[None]:
    """The same for a while, where the guard is in what the run itself looks with."""
    if name in OF_LOOKERS:
        apply(name)
    try:
        yield
    finally:
        put_back()


def _no_marker_check() -> None:
    """Recovery takes back what it did not see commit, without looking for the marker."""
    put(Recovery, "_marker", lambda self, branch: None)


def _no_marker_check_at_all() -> None:
    """Neither recovery nor the next attempt looks for the marker."""
    _no_marker_check()
    put(preflight, "look_before", lambda ledger, targets, task: None)


def _no_attempt_in_the_decision() -> None:
    """The decision names the task only: a zombie decides for the attempt that is at work now."""
    decide = transitions.decide

    def mutant(connection: Connection, task: Task, protocol: Protocol, draft: dict[str, Any]) -> bool:
        current = tasks.get(connection, task.id)
        assert current is not None
        return decide(connection, replace(task, attempt=current.attempt), protocol, draft)

    put(transitions, "decide", mutant)


def _no_first_mark() -> None:
    """Recovery touches the branches while the ledger still says `running`."""
    take_over = Recovery.take_over

    def mutant(self: Any, task: Task, *, lost: bool) -> State | None:
        for branch in self._registered(task):
            self._end_session(task, branch)
            self._roll_back(branch)
        return take_over(self, task, lost=lost)

    put(Recovery, "take_over", mutant)


def _no_kind_in_the_tombstone() -> None:
    """Any row under the marker's key counts as the marker."""

    def mutant(self: Any, branch: Registered) -> Marker | None:
        target = self._targets[branch.target]
        key = branch.id.attempt, branch.id.branch
        rows = target.markers(branch.id.ledger, branch.id.task)
        there = next((m for m in rows if (m.branch.attempt, m.branch.branch) == key), None)
        if there is None:
            target.insert_tombstone(branch.id)
            failpoints.hit("recover.after_tombstone")
        return there

    put(Recovery, "_fence", mutant)


def _rollback_on_a_lost_answer() -> None:
    """The answer to the decision is lost, and the worker takes its branches back on its own."""
    made: list[Work] = []
    prepare, settled = Work.prepare, Coordinator._settled

    def remembering(self: Work) -> None:
        made.append(self)
        prepare(self)

    def mutant(self: Any, task: Task, act: Callable[[Connection], bool], reached: Any) -> bool:
        def lost(connection: Connection) -> bool:
            try:
                return act(connection)
            finally:
                failpoints.arm("decide.sent_no_reply", taken_back)

        def taken_back() -> None:
            made[-1].roll_back()
            raise failpoints.ReplyLost

        return settled(self, task, lost, reached)

    put(Work, "prepare", remembering)
    put(Coordinator, "_settled", mutant)


def _error_decides() -> None:
    """A COMMIT that answered with an error has not committed."""
    commit = Recovery.commit

    def mutant(self: Any, task: Task, ended: Any = (), refusal: Problem = COMMIT_REFUSED) -> State | None:
        if refusal is not COMMIT_REFUSED:
            return State(turned) if (turned := self._turn_back(task, refusal)) else None
        return commit(self, task, ended, refusal)

    put(Recovery, "commit", mutant)


def _no_attempt_in_the_name() -> None:
    """A branch is called after its task, whichever attempt it is of."""

    def name(self: BranchId) -> str:
        return f"rescind:1:{self.ledger}:{self.incarnation}:{self.task}:1:{self.branch}"

    def same(self: BranchId, other: object) -> bool:
        return isinstance(other, BranchId) and str(self) == str(other)

    put(BranchId, "__str__", name)
    put(BranchId, "__eq__", same)
    put(BranchId, "__hash__", lambda self: hash(str(self)))


def _no_stop_in(transition: str) -> Callable[[], None]:
    """The transition does not look at the flag."""

    def take_out() -> None:
        guarded = getattr(transitions, transition)

        def mutant(connection: Connection, task: Task, *more: Any) -> bool:
            connection.execute(update(tables.task).where(tables.task.c.id == task.id).values(stop_requested=False))
            return bool(guarded(connection, task, *more))

        put(transitions, transition, mutant)

    return take_out


def _session_is_not_ended() -> None:
    """Recovery takes it for granted that the session of a lost worker is gone."""
    put(watchdog, "LOOK_SECONDS", 60.0)  # the cancel of a worker that goes on would come before its PREPARE, sometimes
    put(Recovery, "_end_session", lambda self, task, branch: None)
    put(Recovery, "_gone", lambda self, target, session, task=None: True)


def _session_is_not_registered() -> None:
    """The ledger does not know that a branch may exist."""
    put(ledger_branches, "register", lambda *arguments: True)


def _prepare_is_not_checked() -> None:
    """Nobody looks whether what was prepared is listed."""
    put(Work, "expect_listed", lambda self, target, branch: None)


def _one_phase_last() -> None:
    """The prepared branches commit before the one whose marker is the decision."""
    _of = Work._of

    def mutant(self: Any, protocol: Protocol) -> Iterator[tuple[str, Branch]]:
        other = Protocol.one_phase if protocol is Protocol.two_phase else Protocol.two_phase
        return _of(self, other)

    def prepare(self: Any) -> None:
        for _, branch in _of(self, Protocol.two_phase):
            branch.prepare()

    put(Work, "_of", mutant)
    put(Work, "prepare", prepare)


def _two_one_phase_branches() -> None:
    """A task may have as many branches as it likes that commit in one phase."""
    put(preflight, "plan", lambda targets, terms: (Protocol.one_phase,) * len(targets))


def _presumed_abort() -> None:
    """What the ledger does not know is rolled back."""
    judge = verdict.judge

    def mutant(ledger: Ledger, branch: BranchId) -> Verdict:
        judged = judge(ledger, branch)
        return Verdict.roll_back if judged is Verdict.quarantine else judged

    put(verdict, "judge", mutant)


def _known_by_its_number() -> None:
    """A branch is the ledger's as soon as its attempt's number is."""
    everything = SimpleNamespace(find=lambda connection, branch: branch)
    put(verdict, "branches", everything)


def _rolled_back_before_a_look() -> None:
    """Branches are rolled back in their order, each before the next one's marker is looked for."""
    put(Recovery, "_look_first", lambda self, task, registered: None)


def _decided_without_a_look() -> None:
    """A held task is committed when a person says so, whatever has become of its branches."""
    put(held, "expect_whole", lambda ledger, targets, task: None)


def _commit_without_the_disk() -> None:
    """PostgreSQL's sessions do not wait for the disk."""
    put(postgresql_session, "POSTGRESQL_SESSION", "SELECT set_config('synchronous_commit', 'off', false)")


def _any_engine() -> None:
    """A table is written to whatever its engine can."""
    put(reach.Reach, "check_table", lambda self, schema, table: None)


def _undone_without_a_look() -> None:
    """A table that the task made is dropped, whoever's rows are in it."""

    def mutant(connection: Any, name: str, branch: BranchId) -> None:
        run(connection, f"DROP TABLE IF EXISTS {quote(name)}")

    put(undo, "undo_table", mutant)


def _made_before_it_is_on_record() -> None:
    """Nothing is written down before a table is made."""
    put(ledger_branches, "note_table", lambda *arguments: True)


def _tombstone_by_upsert() -> None:
    """The tombstone is written over whatever stands under its key."""

    def mutant(self: Any, branch: BranchId) -> MarkerKind:
        self.forget(branch.ledger, branch.task)
        return insert(self, branch)

    insert = PostgreSQLTarget.insert_tombstone
    put(PostgreSQLTarget, "insert_tombstone", mutant)


#: By the rule of the protocol, and what is taken out.
MUTANTS: dict[str, Callable[[], None]] = MODE_MUTANTS | {
    "R1 no first mark": _no_first_mark,
    "R2 rollback on a lost answer": _rollback_on_a_lost_answer,
    "R3 an error decides": _error_decides,
    "R3 no marker check": _no_marker_check,
    "R3 no marker check at all": _no_marker_check_at_all,
    "R4 no attempt in the name": _no_attempt_in_the_name,
    "R5 no attempt in the decision": _no_attempt_in_the_decision,
    "R5 no stop in the decision": _no_stop_in("decide"),
    "R5 no stop in the hold": _no_stop_in("hold"),
    "R6 session not ended": _session_is_not_ended,
    "R6 session not registered": _session_is_not_registered,
    "R7 PREPARE not checked": _prepare_is_not_checked,
    "R8 one-phase branch last": _one_phase_last,
    "R8 two one-phase branches": _two_one_phase_branches,
    "R9 presumed abort": _presumed_abort,
    "R9 a branch known by its number": _known_by_its_number,
    "R9 rolled back before a look": _rolled_back_before_a_look,
    "R9 decided without a look": _decided_without_a_look,
    "R10 commit without the disk": _commit_without_the_disk,
    "R11 any engine": _any_engine,
    "R12 undone without a look": _undone_without_a_look,
    "R12 made before it is on record": _made_before_it_is_on_record,
    "step 11: no kind in the tombstone": _no_kind_in_the_tombstone,
    "step 11: tombstone by upsert": _tombstone_by_upsert,
}
