"""One attempt at a task: write all, prepare all, decide, commit all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from rescind import failpoints
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.domain.task import Problem, Progress, Task
from rescind.errors import Contradiction, Fenced, LedgerUnavailable, RescindError, Retry, RowsRejected
from rescind.ledger import branches as ledger_branches
from rescind.ledger import rejects, tasks
from rescind.ledger.engine import Ledger
from rescind.targets.target import Target
from rescind.telemetry.logs import log
from rescind.transaction import preflight
from rescind.transaction.control import Control
from rescind.transaction.recovery import COMMIT_REFUSED, Recovery
from rescind.transaction.work import Work

Body = Callable[[Work], Draft]

_DECIDED = (State.committing, State.committed)


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
            targets = [self._targets[name] for name in task.targets]
            preflight.look_before(self._ledger, targets, task)
            plan = preflight.plan(targets)
            work = Work(self._ledger, self._targets, task, plan, control)
            draft = body(work)
            work.mark(draft.checksum)
            work.prepare()
            control.forget_cancels()
            control.check()
            decided = self._decide(task, preflight.of_task(plan), draft, control.progress)
        except BaseException as error:
            return self._take_back(task, work, control.interruption or error)
        if not decided:
            return self._take_back(task, work, control.interruption or Fenced("The decision was refused."))
        return self._carry_out(task, work)

    def _decide(self, task: Task, protocol: Protocol, draft: Draft, progress: Progress) -> bool:
        """Step 7. When the answer is lost, ask the ledger until it answers (PROTOCOL R2)."""
        failpoints.hit("decide.before")
        while True:
            try:
                with self._ledger.write() as connection:
                    tasks.beat(connection, task, progress)  # the last one: nothing more is told after the decision
                    decided = tasks.decide(connection, task, protocol, draft.document())
                failpoints.hit("decide.sent_no_reply")
                failpoints.hit("decide.after")
                return decided
            except (LedgerUnavailable, failpoints.ReplyLost) as error:
                log.warning("decide.no-answer", task=task.id, attempt=task.attempt, error=str(error))
                current = self._ledger.settle(lambda connection: tasks.get(connection, task.id))
                if current is None or current.attempt != task.attempt or current.state is not State.running:
                    return current is not None and current.attempt == task.attempt and current.state in _DECIDED
                time.sleep(0.2)  # not decided yet, as far as can be seen: ask again, guarded as before

    def _carry_out(self, task: Task, work: Work) -> State | None:
        """Steps 8 and 9. Committed is what the markers say, whatever the commit answered."""
        refusal = COMMIT_REFUSED
        try:
            work.commit()
        except Exception as error:
            log.warning("commit.no-answer", task=task.id, attempt=task.attempt, error=str(error))
            refusal = problem_of(error)
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
        log.info("attempt.ended", task=task.id, attempt=task.attempt, error=str(error), code=problem_of(error).code)
        try:
            if isinstance(error, Contradiction):
                return self._recovery.hazard(task, error)
            failpoints.hit("abort.before_mark")
            marked = self._mark_aborting(task, error)
            failpoints.hit("abort.after_mark")
            if not marked:
                return self._leave(task, work)
            if work is not None:
                work.roll_back()
                self._mark_ended(work.close())
            return self._recovery.abort(marked)
        except RescindError as left:
            log.warning("abort.left-to-sweeper", task=task.id, attempt=task.attempt, error=str(left))
            return None
        finally:
            if work is not None:
                work.close()

    def _mark_aborting(self, task: Task, error: BaseException) -> Task | None:
        """The task as it is aborting, or None where the ledger says otherwise. Asks until it is answered."""
        while True:
            try:
                with self._ledger.write() as connection:
                    moved = tasks.begin_abort(connection, task, State.running, problem_of(error))
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


def problem_of(error: BaseException) -> Problem:
    """What the task document says of an error. Whatever is not ours is a fault in the task or in Rescind."""
    if isinstance(error, RescindError):
        return Problem(error.code, str(error), error.advice, error.retry, error.details())
    if isinstance(error, MemoryError):
        return Problem("out-of-memory", "The worker ran out of memory.", "Give the worker more.", Retry.counted)
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return Problem("shutting-down", "The worker was told to leave.", "Nothing is to be done.", Retry.free)
    detail = f"{type(error).__name__}: {error}"
    return Problem("internal-error", detail, RescindError.advice, Retry.counted)
