"""The commit protocol in one process: a real ledger, memory databases, attempts, recovery, and what must hold."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa
from sqlalchemy import insert, update
from tests.support.memory import socket_path
from tests.support.waiting import until

from rescind import failpoints
from rescind.domain.branch import BranchId, MarkerKind, Protocol
from rescind.domain.receipt import Draft
from rescind.domain.schema import Column, Table, Type
from rescind.domain.states import DONE, TAKEN_BACK, State
from rescind.domain.task import Task, Terms
from rescind.errors import RescindError, UnknownTable
from rescind.ledger import events, tables, tasks, transitions
from rescind.ledger.engine import Ledger, clock, now
from rescind.testing.memory import MemoryTarget, Operator, in_thread
from rescind.transaction import held
from rescind.transaction.control import Control
from rescind.transaction.coordinator import Body, Coordinator
from rescind.transaction.recovery import Recovery
from rescind.transaction.work import Work

ITEMS = Table("items", (Column("id", Type.integer, "", nullable=False, key=1),))
ROWS = 3
CHECKSUM = "cd" * 32

#: The targets of a task, for each way to commit; `one` cannot prepare.
SHAPES = {
    "one-phase": ("one",),
    "two-phase": ("two",),
    "two branches": ("two", "three"),
    "two branches in one target": ("two", "two"),
    "mixed": ("two", "one"),
}
MOST_ROUNDS = 40
GONE = "0@a session that is gone"


def body(work: Work) -> Draft:
    """Write ROWS rows with fixed keys into each target, so that doing it twice cannot pass unseen."""
    for number in range(len(work.task.targets)):
        writer = work.begun(number).writer(ITEMS, ["id"])
        work.written[number] += writer.write(pa.RecordBatch.from_pydict({"id": share(work.task, number)}))
        writer.close()
        failpoints.hit("branch.mid_data")
    return Draft(rows_read=ROWS, rows_written=sum(work.written.values()), checksum=CHECKSUM)


def share(task: Task, number: int) -> list[int]:
    """The keys that the branch writes: the branches of one target share its ROWS rows."""
    mine = [other for other, name in enumerate(task.targets) if name == task.targets[number]]
    return list(range(ROWS))[mine.index(number) :: len(mine)]


@dataclass
class World:
    """One ledger and its targets."""

    ledger: Ledger
    targets: dict[str, MemoryTarget]
    operators: dict[str, Operator]
    threads: list[threading.Thread] = field(default_factory=list)
    gates: list[threading.Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recovery = Recovery(self.ledger, self.targets)
        self.coordinator = Coordinator(self.ledger, self.targets, self.recovery)

    def submit(self, targets: Sequence[str], terms: Terms = tasks.AUTOMATIC) -> str:
        task_id = str(uuid.uuid4())
        with self.ledger.write() as connection:
            tasks.insert_task(connection, task_id, "items", {}, targets, terms=terms)
        return task_id

    def commit(self, task_id: str) -> bool:
        """What a person does to a held task."""
        task = self.task(task_id)
        return held.commit(self.ledger, task, partial(held.expect_whole, self.ledger, self.targets, task))

    def expire(self, task_id: str) -> None:
        """Let the time of a held task be over."""
        past = self.ledger_clock() - timedelta(seconds=1)
        with self.ledger.write() as connection:
            connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(hold_until=past))

    def ledger_clock(self) -> datetime:
        with self.ledger.read() as connection:
            return clock(connection)

    def task(self, task_id: str) -> Task:
        with self.ledger.read() as connection:
            task = tasks.get(connection, task_id)
        assert task is not None
        return task

    def claim(self, task_id: str) -> Task:
        with self.ledger.write() as connection:
            task = transitions.claim(connection, task_id, "worker")
        assert task is not None
        return task

    def stop(self, task_id: str) -> None:
        with self.ledger.write() as connection:
            transitions.request_stop(connection, task_id)

    def attempt(self, task: Task, work: Body = body, control: Control | None = None) -> State | None:
        """Run a claimed attempt; a failpoint that ends the worker's code leaves the rest to recovery."""
        with suppress(failpoints.Injected, failpoints.ReplyLost):
            return self.coordinator.run(task, work, control or Control())
        return None

    def recover(self, task_id: str) -> State:
        """Sweep until the task is queued or done: its worker is taken for dead."""
        for _ in range(MOST_ROUNDS):
            task = self.task(task_id)
            if task.state is State.queued or task.state.done:
                break
            with suppress(RescindError, failpoints.Injected, failpoints.ReplyLost):
                if self.recover_once(task) is None and self._held(task):
                    break
        for target in self.targets.values():
            until(partial(self._swept, target), "a sweep of every target")
        return self.task(task_id).state

    def recover_once(self, task: Task) -> State | None:
        match task.state:
            case State.running:
                return self.recovery.take_over(task, lost=True)
            case State.aborting:
                return self.recovery.abort(task)
            case State.committing:
                return self.recovery.commit(task)
            case State.prepared:
                return self.recovery.watch(task) if self._held(task) else self.recovery.release(task)
        return None

    def finish(self, task_id: str) -> State:
        """Run attempts and recovery, turn by turn, until the task has ended."""
        for _ in range(MOST_ROUNDS):
            if self.recover(task_id) in (*DONE, State.prepared):
                break
            self.attempt(self.claim(task_id))
        return self.task(task_id).state

    def late_branch(self, task: Task, target: str, number: int = 1, session: str = GONE) -> BranchId:
        """A branch of the task's attempt that the ledger knows, prepared when nobody expects it any more."""
        branch_id = BranchId(*self.ledger.identity(), task.id, task.attempt, number)
        values = {"task": task.id, "attempt": task.attempt, "branch": number, "target": target, "session": session}
        values |= {"protocol": Protocol.two_phase, "incarnation": branch_id.incarnation, "registered_at": now()}
        with self.ledger.write() as connection:
            connection.execute(insert(tables.branch).values(values))
        self.prepare(branch_id, target)
        return branch_id

    def prepare(self, branch_id: BranchId, target: str) -> None:
        """Somebody prepares a branch of that name, and leaves."""
        branch = self.targets[target].open_branch(branch_id, Protocol.two_phase)
        branch.start()
        branch.write_marker(0, "")
        branch.prepare()
        branch.close()
        until(lambda: branch_id in self.targets[target].list_prepared(branch_id.ledger), "the branch is prepared")

    def hang(self, point: str, at: int = 1) -> tuple[threading.Event, threading.Event]:
        """Let who reaches the point hang there: (reached, an event that lets it go on)."""
        reached, go = threading.Event(), threading.Event()
        self.gates.append(go)

        def stay() -> None:
            reached.set()
            go.wait()

        failpoints.arm(point, stay, at)
        return reached, go

    def beside(self, act: object, *args: object) -> threading.Thread:
        """Run it in a thread; errors of ours end it silently, as they end a worker or a sweep."""

        def run() -> None:
            with suppress(RescindError, failpoints.Injected, failpoints.ReplyLost):
                assert callable(act)
                act(*args)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def join(self) -> None:
        """Let everything that hangs go on, and wait for its end."""
        for gate in self.gates:
            gate.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def rows(self, target: str) -> int:
        try:
            return self.targets[target].catalog().count(ITEMS.name)
        except UnknownTable:
            return 0

    def prepared(self, target: str) -> list[BranchId]:
        return self.targets[target].list_prepared(self.ledger.identity()[0])

    def check(self, task_id: str) -> None:
        """All or none, once, proven, nothing left; exactly one event of its end."""
        task = self.task(task_id)
        assert task.state in (State.committed, *TAKEN_BACK), task.problem
        committed = task.state is State.committed
        for name in set(task.targets):
            found = self.targets[name].markers(self.ledger.identity()[0], task_id)
            markers = [marker for marker in found if marker.kind is MarkerKind.marker]
            assert self.rows(name) == (ROWS if committed else 0)
            assert self.prepared(name) == []
            branches = [number for number, other in enumerate(task.targets) if other == name]
            assert sorted((m.branch.branch, m.branch.attempt, m.rows, m.checksum) for m in markers) == (
                [(number, task.attempt, len(share(task, number)), CHECKSUM) for number in branches] if committed else []
            )
        assert (task.receipt is not None) == (committed or task.state is State.checked)
        with self.ledger.read() as connection:
            kinds = [event.kind for event in events.of_task(connection, task_id)]
        assert len([kind for kind in kinds if kind in DONE]) == 1
        assert committed or not any(kind == State.committed for kind in kinds)

    def _held(self, task: Task) -> bool:
        return task.state is State.prepared and not task.stop_requested and not held.over(task, self.ledger_clock())

    def _swept(self, target: MemoryTarget) -> bool:
        try:
            self.recovery.sweep_target(target)
        except RescindError:
            return False
        return True


@contextmanager
def world(ledger_url: str) -> Iterator[World]:
    """A ledger that is new, and the targets `one`, `two` and `three` with an empty table ITEMS."""
    ledger = Ledger(ledger_url)
    with ExitStack() as stack:
        stack.callback(ledger.close)
        stack.callback(failpoints.disarm)
        operators = {
            n: stack.enter_context(in_thread(stack.enter_context(socket_path()))) for n in ("one", "two", "three")
        }
        targets = {name: MemoryTarget(name, o.address, two_phase=name != "one") for name, o in operators.items()}
        for target in targets.values():
            _make_table(target)
        made = World(ledger, targets, operators)
        yield made
        made.join()


def _make_table(target: MemoryTarget) -> None:
    branch = target.open_branch(BranchId("0" * 12, 1, "setup", 1, 0), Protocol.one_phase)
    branch.start()
    branch.create_table(ITEMS)
    branch.commit()
    branch.close()
