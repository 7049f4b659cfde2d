"""Mutants of what tasks do with their files and their tables' rows; see `mutants.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from tests.crash.guards import put

from rescind import failpoints
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.receipt import Output, outputs_of
from rescind.domain.schema import Table
from rescind.domain.task import Task
from rescind.errors import NoOutput
from rescind.readers.reader import Rows
from rescind.targets.sqlite.writer import SQLiteWriter
from rescind.targets.target import Target
from rescind.tasks.transaction import Transaction
from rescind.tasks.writing import TableWriter
from rescind.transaction.work import Work
from rescind.uploads.outputs import OutputStore

STRANGER = BranchId("0" * 12, 1, "stranger", 1, 0)  #: nobody looks for its branch


def _no_name_before_the_decision() -> None:
    """The file that an attempt makes gets its name later, by somebody who may die before."""
    put(OutputStore, "_keep_as", lambda self, part, whole: None)


def _named_after_the_decision() -> None:
    """The file that an attempt makes gets its name when the task has been decided, from a worker that may be dead."""
    keep = OutputStore._keep_as

    def mutant(self: OutputStore, part: Path, whole: Path) -> None:
        failpoints.arm("finish.before", partial(keep, self, part, whole))

    put(OutputStore, "_keep_as", mutant)


def _deleted_by_itself() -> None:
    """The old rows are deleted in a transaction of their own, before the new ones are known to be good."""

    def mutant(self: Transaction, name: str, target: str = "default") -> int:
        with closing(self._work.target(target).open_branch(STRANGER, Protocol.one_phase)) as branch:
            branch.start()
            deleted = branch.clear_table(name)
            branch.commit()
            return deleted

    put(Transaction, "clear_table", mutant)


def _written_by_itself() -> None:
    """Each batch of an upsert is committed at once, before the task is decided."""
    init, write = TableWriter.__init__, TableWriter.put
    how: dict[TableWriter, tuple[Target, Table, Sequence[str], Sequence[str]]] = {}

    def begun(self: TableWriter, work: Work, target: str, table: Table, columns: Sequence[str], *more: Any) -> None:
        init(self, work, target, table, columns, *more)
        how[self] = work.target(target), table, columns, more[1]

    def mutant(self: TableWriter, rows: Rows, *more: Any) -> None:
        target, table, columns, key = how[self]
        with closing(target.open_branch(STRANGER, Protocol.one_phase)) as branch:
            branch.start()
            with closing(branch.writer(table, columns, key)) as writer:
                writer.write(rows.batch)
            branch.commit()
        write(self, rows, *more)

    put(TableWriter, "__init__", begun)
    put(TableWriter, "put", mutant)


def _added_up() -> None:
    """Every row that is written is counted as one that was not there."""
    counted = Transaction.counted

    def mutant(self: Transaction, when: str, rows: int, target: str = "default") -> None:
        if when == "after":
            (before,) = self._draft.counts.values()
            rows = before + self.written(target)
        counted(self, when, rows, target)

    put(Transaction, "counted", mutant)


def _given_out_when_decided() -> None:
    """A file can be had as soon as the ledger tells of it."""

    def mutant(self: OutputStore, task: Task, kind: str | None = None) -> Output:
        if not (outputs := outputs_of(task.receipt)):
            raise NoOutput(task.id)
        return outputs[0]

    put(OutputStore, "find", mutant)


def _neighbours_stay() -> None:
    """What was written beside a row that is refused stays there, and is written once more."""
    put(SQLiteWriter, "_all_or_none", nullcontext)


#: Guards in what the run itself looks with.
OF_LOOKERS = frozenset({"skip: given out when decided"})

#: By what they are about, and what is taken out.
MODE_MUTANTS: dict[str, Callable[[], None]] = {
    "files: no name before the decision": _no_name_before_the_decision,
    "files: named after the decision": _named_after_the_decision,
    "replace: deleted by itself": _deleted_by_itself,
    "replace: rows are added up": _added_up,
    "upsert: written by itself": _written_by_itself,
    "skip: given out when decided": _given_out_when_decided,
    "skip: neighbours stay": _neighbours_stay,
}
