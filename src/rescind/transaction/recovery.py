"""Finishing what an attempt left: taking it back, or carrying its decision out.

The worker itself ends through here, and so does every sweep: there is one road to `committed` and one to
`stopped` or `failed`, and both lead past the markers. Every method may be killed at any line and called again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from rescind import failpoints
from rescind.domain.branch import BranchId, Marker, MarkerKind, Protocol
from rescind.domain.receipt import complete
from rescind.domain.states import State, allowed
from rescind.domain.task import LOST_WORKER, Problem, Task, after_abort
from rescind.errors import BranchGone, Contradiction, RescindError, Retry, Undecided
from rescind.ledger import branches, hazard, tasks, transitions
from rescind.ledger.branches import Registered
from rescind.ledger.engine import Ledger
from rescind.targets.target import Target
from rescind.telemetry.logs import log
from rescind.transaction import held, proof, verdict
from rescind.transaction.problem import problem_of
from rescind.transaction.verdict import Verdict

TELL_SECONDS = 0.5  #: how often a long rollback is told of while its session is waited for
FIRST_BACKOFF_SECONDS = 0.5

COMMIT_REFUSED = Problem(
    "commit-refused",
    "The database did not carry out the commit; nothing was changed.",
    "Look at the target's log; the task is tried again by itself.",
    Retry.counted,
)


class Recovery:
    """Takes attempts back and carries decisions out, from the ledger and the markers alone."""

    def __init__(self, ledger: Ledger, targets: Mapping[str, Target]) -> None:
        self._ledger = ledger
        self._targets = targets

    def take_over(self, task: Task, *, lost: bool) -> State | None:
        """Take a running attempt from its worker: mark first, then touch its branches (PROTOCOL R1).

        `lost`: the worker is believed dead. Otherwise a stop was asked for and the worker does not obey.
        """
        with self._ledger.write() as connection:
            problem, beat = (LOST_WORKER, task.beat) if lost else (None, None)
            if not transitions.begin_abort(connection, task, State.running, problem, lost=lost, silent_since=beat):
                return None
            current = tasks.get(connection, task.id)
        assert current is not None
        return self.abort(current)

    def watch(self, task: Task) -> State | None:
        """Look at a held task. One that can commit no more is taken back, or calls an operator; None while it can.

        Raises Undecided, TargetUnavailable: nobody knows now.
        """
        try:
            held.expect_whole(self._ledger, self._targets, task)
        except BranchGone as gone:
            log.error("held.branch-gone", task=task.id, attempt=task.attempt, detail=str(gone))
            return self.release(task, problem_of(gone))
        except Contradiction as contradiction:
            return self.hazard(task, contradiction)
        return None

    def release(self, task: Task, broken: Problem | None = None) -> State | None:
        """End the hold of a `prepared` task that nobody may commit any more; None while somebody may.

        `broken`: why it cannot commit, though its time is not over and nobody asked for a stop.
        """
        with self._ledger.write() as connection:
            if not transitions.take_held_back(connection, task, broken):
                return None
            current = tasks.get(connection, task.id)
        assert current is not None
        return self.abort(current)

    def abort(self, task: Task) -> State | None:
        """Step 10, for a task that is `aborting`. Raises Undecided, TargetUnavailable: call again later."""
        failpoints.hit("recover.before_scan")
        registered = self._registered(task)
        failpoints.hit("recover.between_scan_and_act")
        try:
            with _each() as each:
                ended: list[Registered] = []
                for branch in registered:
                    with each.later():
                        self._end_session(task, branch)
                        ended.append(branch)
                self._look_first(task, registered)
                for branch in ended:
                    with each.later():
                        self._roll_back(branch)
            for branch in registered:  # not before: a branch that is still there may hold another one's table
                self._undo_tables(branch)
            failpoints.hit("abort.before_final")
            return self._end_abort(task)
        except Contradiction as contradiction:
            return self.hazard(task, contradiction)

    def commit(self, task: Task, ended: Collection[BranchId] = (), refusal: Problem = COMMIT_REFUSED) -> State | None:
        """Steps 8 and 9, for a task that is `committing`. `ended` are branches whose session is closed already.

        `refusal` is what the database said when it was told to commit: it decides nothing, and explains to the
        user why nothing was committed if that turns out to be so.
        Raises Undecided or TargetUnavailable: call again later.
        """
        failpoints.hit("recover.before_scan")
        registered = sorted(self._registered(task), key=lambda b: b.protocol is not Protocol.one_phase)
        failpoints.hit("recover.between_scan_and_act")
        markers: list[Marker] = []
        try:
            if len(registered) != len(task.targets):
                raise Contradiction(
                    f"Task {task.id} was decided with {len(registered)} of {len(task.targets)} branches."
                )
            with _each() as each:
                for branch in registered:
                    with each.later(unless=branch.protocol is Protocol.one_phase):  # its marker is the decision
                        marker = self._marker(branch) or self._resolve(task, branch, branch.id in ended)
                        if marker is None:
                            return self._turn_back(task, refusal if branch.id in ended else None)
                        markers.append(marker)
        except Contradiction as contradiction:
            return self.hazard(task, contradiction)
        return self._finish(task, markers)

    def hazard(self, task: Task, contradiction: Contradiction) -> State | None:
        """Stop touching the task and call for an operator."""
        log.error("hazard", task=task.id, attempt=task.attempt, detail=str(contradiction))
        problem = Problem(
            contradiction.code, str(contradiction), contradiction.advice, Retry.never, contradiction.details()
        )

        def mark(connection: Connection) -> State | None:
            current = tasks.get(connection, task.id)
            if current is None or current.attempt != task.attempt or not allowed(current.state, State.hazard):
                return None
            if task.state is State.prepared and current.state is not State.prepared:
                return None  # a person has committed it since the look: what was seen may be that commit
            return State.hazard if hazard.mark(connection, current, problem) else None

        return self._end(mark)

    def sweep_target(self, target: Target) -> None:
        """Step 12's last rule: every prepared branch of our ledger that is seen there."""
        for branch in target.seen_prepared(self._ledger.identity()[0]):
            try:
                self._sweep(target, branch)
            except Exception as error:  # one that cannot be finished must not keep the sweep from all that follow
                log.warning("sweep.branch-failed", branch=str(branch), target=target.name, error=repr(error))

    def _sweep(self, target: Target, branch: BranchId) -> None:
        match verdict.judge(self._ledger, branch):
            case Verdict.quarantine:
                log.error("quarantine", branch=str(branch), target=target.name)
            case Verdict.roll_back if self._owner_gone(target, branch):
                target.rollback_prepared(branch)
            case Verdict.commit if self._owner_gone(target, branch):
                target.commit_prepared(branch)

    def _owner_gone(self, target: Target, branch: BranchId) -> bool:
        with self._ledger.read() as connection:
            entry = branches.find(connection, branch)
        return entry is None or self._gone(target, entry.session)

    def _registered(self, task: Task) -> list[Registered]:
        with self._ledger.read() as connection:
            return branches.of_attempt(connection, task, self._ledger.identity()[0])

    def _end_session(self, task: Task, branch: Registered) -> None:
        failpoints.hit("abort.before_kill")
        if not branch.ended and not self._gone(self._targets[branch.target], branch.session, task):
            raise Undecided(f"The session of {branch.id} in {branch.target} is still alive.")
        failpoints.hit("abort.after_kill")

    def _gone(self, target: Target, session: str, task: Task | None = None) -> bool:
        """End the session and wait until it is gone. Of a `task` that is taken back it is told what is left to undo."""
        told = time.monotonic()

        def tell() -> None:
            nonlocal told
            if task is not None and time.monotonic() - told > TELL_SECONDS:
                self._tell(target, session, task)
                told = time.monotonic()

        return proof.end_session(target, session, meanwhile=tell)

    def _tell(self, target: Target, session: str, task: Task) -> None:
        left = target.left_to_undo(session)
        if left is not None:
            with self._ledger.write() as connection:
                transitions.beat_abort(connection, task, left)

    def _look_first(self, task: Task, registered: Collection[Registered]) -> None:
        """Before anything is rolled back, see in every target that answers that it was not decided after all.

        A ledger that was restored from the running attempt does not know of its decision: a branch that has committed
        saves those that are prepared still. A target that is away does not hold the others' locks.
        """
        if any(branch.protocol is Protocol.two_phase for branch in registered):
            for name in dict.fromkeys(task.targets):
                try:
                    proof.expect_nothing_unknown(self._ledger, self._targets[name], task)
                except Contradiction:
                    raise
                except RescindError as error:
                    log.warning("abort.not-looked-at", task=task.id, target=name, error=str(error))

    def _roll_back(self, branch: Registered) -> None:
        """Roll back if listed; then it must be neither listed nor marked."""
        target = self._targets[branch.target]
        failpoints.hit("abort.before_rollback")
        if branch.protocol is Protocol.two_phase and self._listed(branch):
            proof.expect_our_life(self._ledger, branch.id)
            _try("rollback", branch.id, lambda: target.rollback_prepared(branch.id))
            failpoints.hit("abort.sent_no_reply")
            if self._listed(branch):
                raise Undecided(f"{branch.id} is still prepared in {branch.target}.")
        failpoints.hit("abort.after_rollback")
        if self._marker(branch):
            raise Contradiction(f"{branch.id} was to be taken back, but {branch.target} shows it committed.")

    def _end_abort(self, task: Task) -> State | None:
        """The last mark. An end for good is told when every target was looked at; the next attempt looks by itself."""
        while (current := self._aborting(task)) is not None:
            to = after_abort(current)
            if to is not State.queued:
                for name in dict.fromkeys(current.targets):
                    proof.expect_nothing_unknown(self._ledger, self._targets[name], current)
            # None: it is not as it was a moment ago. A stop came, and another end is to be proven; or it is over.
            end = partial(transitions.end_abort, task=current, to=to, back_off_seconds=_back_off(current))
            if state := self._end(end):
                return state
        return None

    def _aborting(self, task: Task) -> Task | None:
        with self._ledger.read() as connection:
            current = tasks.get(connection, task.id)
        if current is None or current.attempt != task.attempt or current.state is not State.aborting:
            return None
        return current

    def _undo_tables(self, branch: Registered) -> None:
        """R12: no session of the attempt can make a table any more, and no prepared branch holds one."""
        for name in branch.tables:
            failpoints.hit("ddl.before_undo")
            self._targets[branch.target].undo_table(name, branch.id)
            failpoints.hit("ddl.after_undo")

    def _resolve(self, task: Task, branch: Registered, ended: bool) -> Marker | None:
        """A decided branch without a marker: make it commit. None: it is one-phase and can never commit now."""
        if not ended:
            self._end_session(task, branch)
        if branch.protocol is Protocol.one_phase:
            return self._fence(branch)
        target = self._targets[branch.target]
        for _ in range(2):  # neither listed nor marked counts only when it is seen twice (PROTOCOL, step 8)
            # List first, then read: a branch that commits in between is then seen as marked, not as lost.
            listed = self._listed(branch)
            if listed:
                proof.expect_our_life(self._ledger, branch.id)
                _try("commit", branch.id, lambda: target.commit_prepared(branch.id))
            if marker := self._marker(branch):
                return marker
            if listed:
                raise Undecided(f"{branch.id} is decided, but still prepared in {branch.target}.")
        raise Contradiction(f"{branch.id} was decided, but {branch.target} neither lists it nor shows its marker.")

    def _fence(self, branch: Registered) -> Marker | None:
        """Step 11: the tombstone waits for a zombie to commit or die, and then tells which."""
        failpoints.hit("recover.before_tombstone")
        kind = self._targets[branch.target].insert_tombstone(branch.id)
        failpoints.hit("recover.tombstone_sent_no_reply")
        failpoints.hit("recover.after_tombstone")
        return self._marker(branch) if kind is MarkerKind.marker else None

    def _turn_back(self, task: Task, refusal: Problem | None) -> State | None:
        """The one-phase branch can never commit: `committing` turns to `aborting`. No refusal: its worker died."""
        problem, lost = refusal or LOST_WORKER, refusal is None
        if problem.retry is Retry.free:
            # It was within reach until the commit: a target that refuses every commit would be tried for ever.
            problem = replace(problem, retry=Retry.counted)
        with self._ledger.write() as connection:
            if not transitions.begin_abort(connection, task, State.committing, problem, lost=lost):
                return None
            current = tasks.get(connection, task.id)
        assert current is not None
        return self.abort(current)

    def _finish(self, task: Task, markers: list[Marker]) -> State | None:
        failpoints.hit("finish.before")

        def mark(connection: Connection) -> State | None:
            current = tasks.get(connection, task.id)
            if current is None or current.attempt != task.attempt or current.state is not State.committing:
                return None
            assert current.receipt is not None
            assert current.protocol is not None
            receipt = complete(current.receipt, current.protocol, markers)
            return State.committed if transitions.finish(connection, current, receipt) else None

        return self._end(mark)

    def _end(self, mark: Callable[[Connection], State | None]) -> State | None:
        with self._ledger.write() as connection:
            state = mark(connection)
        failpoints.hit("finish.sent_no_reply")
        failpoints.hit("finish.after")
        return state

    def _listed(self, branch: Registered) -> bool:
        return branch.id in self._targets[branch.target].list_prepared(branch.id.ledger)

    def _marker(self, branch: Registered) -> Marker | None:
        return proof.marker_of(self._targets[branch.target], branch.id)


class _Each:
    """What is to be done for each branch is done for each: one target that is down must not hold locks in another."""

    def __init__(self) -> None:
        self.first: RescindError | None = None

    @contextmanager
    def later(self, *, unless: bool = False) -> Iterator[None]:
        """Keep an error for when the others have had their turn; what contradicts the ledger stops everything."""
        try:
            yield
        except RescindError as error:
            if unless or isinstance(error, Contradiction):
                raise
            self.first = self.first or error


@contextmanager
def _each() -> Iterator[_Each]:
    """Raises the first error that was kept."""
    each = _Each()
    yield each
    if each.first is not None:
        raise each.first


def _try(verb: str, branch: BranchId, act: Callable[[], None]) -> None:
    """Do it and look afterwards: the error is logged and decides nothing (PROTOCOL R3)."""
    try:
        act()
    except (RescindError, failpoints.ReplyLost) as error:
        log.warning(f"{verb}.no-answer", branch=str(branch), error=str(error))


def _back_off(task: Task) -> float:
    """Seconds until the next attempt: at once after a shutdown or a lost worker, else doubling."""
    if task.problem is None or task.problem.code in ("shutting-down", "worker-lost"):
        return 0.0
    return FIRST_BACKOFF_SECONDS * 2.0 ** min(task.attempt, 7)
