"""One attempt at a task: write all, prepare all, decide, commit all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from sqlalchemy import Connection

from rescind import failpoints
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.domain.task import Commit, Problem, Progress, Task
from rescind.errors import (
    Contradiction,
    Fenced,
    LedgerUnavailable,
    RescindError,
    ResultInvalid,
    Retry,
    RowsRejected,
    TargetUnavailable,
)
from rescind.ledger import branches as ledger_branches
from rescind.ledger import rejects, tasks, transitions
from rescind.ledger.engine import Ledger
from rescind.targets.target import Target
from rescind.telemetry.logs import log
from rescind.transaction import preflight
from rescind.transaction.control import Control
from rescind.transaction.problem import problem_of
from rescind.transaction.recovery import COMMIT_REFUSED, Recovery
from rescind.transaction.work import Work

Body = Callable[[Work], Draft]

#: The receipt goes into the ledger with the decision: larger than a packet of MySQL's, which looks like an outage, it
#: would be sent again for ever.
MOST_RECEIPT_BYTES = 256 * 1024

_DECIDED = (State.committing, State.committed)

SESSION_LOST = "Look into the log of the database for what ended the session, then retry the task."


class Coordinator:
    """Runs attempts. No error that a database raises decides an outcome; the ledger and the markers do."""

    def __init__(self, ledger: Ledger, targets: Mapping[str, Target], recovery: Recovery) -> None:
        self._ledger = ledger
        self._targets = targets
        self._recovery = recovery

    def run(self, task: Task, body: Body, control: Control) -> State | None:
        """Run the claimed attempt to its end; the state it leaves, or None where others finish it."""
        work: Work | None = None
        try:
            plan = self._look_before(task)
            work = Work(self._ledger, self._targets, task, plan, control)
            draft = body(work)
            _expect_small(task, draft)
            work.mark(draft.checksum)
            if task.terms.dry_run:
                return self._check(task, work, plan, draft, control)
            locks = work.locks() if task.terms.commit is Commit.manual else {}
            work.prepare()
            control.forget_cancels()
            control.check()
            if task.terms.commit is Commit.manual:
                decided = self._hold(task, work, plan, draft, locks, control)
            else:
                decided = self._decide(task, plan, draft, control.progress)
        except BaseException as error:
            return self._take_back(task, work, control.interruption or error)
        if not decided:
            return self._take_back(task, work, control.interruption or Fenced("The decision was refused."))
        return State.prepared if task.terms.commit is Commit.manual else self._carry_out(task, work)

    def _look_before(self, task: Task) -> tuple[Protocol, ...]:
        targets = {name: self._targets[name] for name in task.targets}
        preflight.look_before(self._ledger, targets.values(), task)
        return preflight.plan([targets[name] for name in task.targets], task.terms)

    def _decide(self, task: Task, plan: Sequence[Protocol], draft: Draft, progress: Progress) -> bool:
        """Step 7."""
        failpoints.hit("decide.before")

        def decide(connection: Connection) -> bool:
            transitions.beat(connection, task, progress)  # the last: nothing more is told after the decision
            return transitions.decide(connection, task, preflight.of_task(plan), draft.document())

        return self._settled(task, decide, _DECIDED)

    def _settled(self, task: Task, act: Callable[[Connection], bool], reached: Collection[State]) -> bool:
        """Make a transition; whether it was made. A lost answer is asked for until it is given (PROTOCOL R2)."""
        while True:
            try:
                with self._ledger.write() as connection:
                    made = act(connection)
                failpoints.hit("decide.sent_no_reply")
                failpoints.hit("decide.after")
                return made
            except (LedgerUnavailable, failpoints.ReplyLost) as error:
                log.warning("decide.no-answer", task=task.id, attempt=task.attempt, error=str(error))
                current = self._ledger.settle(lambda connection: tasks.get(connection, task.id))
                if current is None or current.attempt != task.attempt or current.state is not State.running:
                    return current is not None and current.attempt == task.attempt and current.state in reached
                time.sleep(0.2)  # not decided yet, as far as can be seen: ask again, guarded as before

    def _hold(
        self,
        task: Task,
        work: Work,
        plan: Sequence[Protocol],
        draft: Draft,
        locks: dict[str, str],
        control: Control,
    ) -> bool:
        """Step 6, held: nobody can finish a branch whose owner is connected, so every session goes first."""
        failpoints.hit("hold.before_close")
        branches = work.ids()
        self._mark_ended(work.close())
        failpoints.hit("hold.after_close")
        # A server that lets go of prepared branches with their session is found out now.
        for target, branch in branches:
            work.expect_listed(target, branch)

        def hold(connection: Connection) -> bool:
            transitions.beat(connection, task, control.progress)
            return transitions.hold(connection, task, preflight.of_task(plan), draft.document(), locks)

        held = self._settled(task, hold, (State.prepared, *_DECIDED))
        failpoints.hit("hold.after_mark")
        return held

    def _check(self, task: Task, work: Work, plan: Sequence[Protocol], draft: Draft, control: Control) -> State | None:
        """A dry run: everything is written and found good, and now taken back as after an error."""
        work.check_constraints()
        control.check()

        def passed(connection: Connection) -> bool:
            transitions.beat(connection, task, control.progress)
            return transitions.pass_check(connection, task, preflight.of_task(plan), draft.document())

        if not self._settled(task, passed, (State.aborting, State.checked)):
            raise Fenced("The dry run was refused.")
        return self._undo(task, work)

    def _carry_out(self, task: Task, work: Work) -> State | None:
        """Steps 8 and 9. Committed is what the markers say, whatever the commit answered."""
        refusal = COMMIT_REFUSED
        try:
            work.commit()
        except Exception as error:
            refusal = problem_of(error)
            log.warning("commit.no-answer", task=task.id, attempt=task.attempt, error=refusal.detail)
        ended = work.close()
        try:
            return self._recovery.commit(task, ended, refusal)
        except RescindError as error:
            log.warning("commit.left-to-sweeper", task=task.id, attempt=task.attempt, error=str(error))
            # Or the sweeper would end this session by killing this process, which is at another task by then.
            with suppress(LedgerUnavailable):
                self._mark_ended(ended)
            return None

    def _take_back(self, task: Task, work: Work | None, error: BaseException) -> State | None:
        """Step 10: first the mark in the ledger, then the rollback; never the other way round (PROTOCOL R1)."""
        problem = problem_of(error)
        log.info("attempt.ended", task=task.id, attempt=task.attempt, error=problem.detail, code=problem.code)
        try:
            if isinstance(error, Contradiction):
                return self._recovery.hazard(task, error)
            if isinstance(error, TargetUnavailable) and work is not None and self._answer(work.in_use()):
                problem = replace(problem, advice=SESSION_LOST, retry=Retry.counted)
            failpoints.hit("abort.before_mark")
            marked = self._mark_aborting(task, error, problem)
            failpoints.hit("abort.after_mark")
            return self._undo(marked, work) if marked else self._leave(task, work)
        except RescindError as left:
            log.warning("abort.left-to-sweeper", task=task.id, attempt=task.attempt, error=str(left))
            return None
        finally:
            if work is not None:
                work.close()

    def _answer(self, targets: Collection[str]) -> bool:
        """Whether all of them could be written to at this moment; False of none.

        A session that was lost though its database is there was no outage, which costs no attempt: a packet that is too
        large, or a server process that dies of what it is told to do, would be tried for ever.
        """
        try:
            for name in targets:
                self._targets[name].preflight()
        except RescindError:
            return False
        return bool(targets)

    def _undo(self, task: Task, work: Work | None) -> State | None:
        """Roll back what is ours, prove it, and end the abort. Only after the ledger says `aborting`."""
        if work is not None:
            with work.control.undoing(work.left_to_undo):
                work.roll_back()
            self._mark_ended(work.close())
        return self._recovery.abort(task)

    def _mark_aborting(self, task: Task, error: BaseException, problem: Problem) -> Task | None:
        """The task as it is aborting, or None where the ledger says otherwise. Asks until it is answered."""
        while True:
            try:
                with self._ledger.write() as connection:
                    moved = transitions.begin_abort(connection, task, State.running, problem)
                    if moved and isinstance(error, RowsRejected):  # a zombie's rejects are not the task's any more
                        rejects.replace(connection, task.id, error.rejects)
                    current = tasks.get(connection, task.id)
                mine = current is not None and current.attempt == task.attempt and current.state is State.aborting
                return current if mine else None
            except LedgerUnavailable:
                time.sleep(0.2)

    def _leave(self, task: Task, work: Work | None) -> State | None:
        """The ledger did not let us abort: either it says `committing` after all, or we are fenced."""
        current = self._ledger.settle(lambda connection: tasks.get(connection, task.id))
        if current is not None and current.attempt == task.attempt and current.state is State.committing:
            return None if work is None else self._carry_out(current, work)
        return None

    def _mark_ended(self, ended: Sequence[BranchId]) -> None:
        with self._ledger.write() as connection:
            for branch in ended:
                ledger_branches.mark_ended(connection, branch)


def _expect_small(task: Task, draft: Draft) -> None:
    size = len(json.dumps(draft.document()))
    if size > MOST_RECEIPT_BYTES:
        raise ResultInvalid(f"The receipt of task {task.name} takes {size} bytes; {MOST_RECEIPT_BYTES} is the most.")
