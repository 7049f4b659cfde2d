"""The contract between the commit protocol and a database.

An attempt at a task opens a branch in each of its targets, or several where several writers load it, and the verbs
of each come in this order:

    open ─ start ─ writes ─ write_marker ─┬─ commit ─ close              (one-phase)
                                          └─ prepare ─ commit ─ close    (two-phase)
                     rollback ─ close at any moment before

Where the card says that DDL is not transactional, `create_table` comes between `open` and `start` (PROTOCOL R12), and
makes the table's indexes with it. Everywhere else they are built by `create_indexes`, when all rows are there: to put
each row into each index at its turn takes three times as long.

* `open_branch` connects and learns the session's identity, and does nothing else: the coordinator writes the
  identity into the ledger BEFORE `start` begins a transaction, so that no branch can exist unknown.
* `write_marker` is the last write. It first proves that the transaction is the one which `start` began; if a
  task's function ended it by some road, TransactionBroken is raised and nothing of the attempt is committed.
* `commit` and `commit_prepared` may raise anything at all after having succeeded. Their outcome is never read
  from the error: the protocol ends the session, lists, and reads the marker (PROTOCOL R3).
* `prepare` likewise: prepared is what `list_prepared` lists (R7).
* `list_prepared` is a proof: what it does not name is not prepared, and it raises Undecided where this user may not see
  everything. `seen_prepared` proves nothing of what it does not name, and is for those who look again anyway.
* `end_session` answers True only when the session is proven to be gone, so that nothing of it can still
  arrive. False means "not yet": ask again. It never ends a process or connection that merely has the same
  number (PROTOCOL, session identity).
* `create_table` before `start` commits by itself. The coordinator writes the table's name into the ledger BEFORE,
  the database keeps the branch's identity with the table (a comment), and `undo_table` takes back only a table
  with that identity that is empty while nobody can write to it.
* `insert_tombstone` waits for a branch that is committing to commit or die, and then answers which of the two
  rows stands there: the tombstone (it can never commit now) or its marker (it did). Never for a two-phase
  branch.
* `rollback`, `cancel` and `close` must never raise: they are called when things have gone wrong already.
* `cancel` may come from another thread at any moment, also between statements, also twice.

Every other method raises errors of `rescind.errors` only; driver exceptions end in the target's `failures.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow as pa
from sqlalchemy import Connection

from rescind.domain.branch import BranchId, Marker, MarkerKind
from rescind.domain.branch import Protocol as CommitProtocol
from rescind.domain.schema import Column, Table
from rescind.errors import RescindError
from rescind.targets.capabilities import Capabilities

LOCK_SECONDS = 60  #: how long a task's statement waits for a lock, where nothing else is said


class Writer(Protocol):
    """Puts typed rows into one table, inside the branch."""

    def write(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> int:
        """Write the rows; the batch's column names are the table's. Returns how many were taken.

        The values of columns that are among `known` are those that `limits.violation` finds nothing wrong with: they
        are not looked at again, which cost a tenth of the worker's time.

        Raises ConstraintViolated, and then no row of the batch is left and the branch can go on: a function that
        hides the error commits no row that nobody counted. Its `row` is None where the database does not tell.
        """

    def close(self) -> None:
        """Everything given to `write` is in the transaction when this returns."""


class Branch(Protocol):
    """One connection's share of a task's writes."""

    id: BranchId
    session: str

    def start(self) -> None:
        """Begin the transaction. Raises TargetBusy where another writer holds the database for too long."""

    def connection(self) -> Connection:
        """The transaction as a SQLAlchemy connection on which transaction statements and DDL are refused."""

    def create_table(self, table: Table) -> None:
        """Make the table: inside the transaction, or before `start` where DDL commits by itself.

        What the table's indexes cannot be is refused here, before a row is written. Raises TargetConflict where a
        table of that name is there, TargetBusy where another branch may yet have made it, TargetRefused.
        """

    def create_indexes(self, table: Table) -> None:
        """Build the indexes of a table that this branch has made, from the rows that it has by now.

        Raises TargetRefused where DDL commits by itself, ConstraintViolated for a value that is too long for an index.
        """

    def clear_table(self, table: str) -> int:
        """Delete all rows; returns how many. Of two branches at once the later deletes what the other has written.

        Raises TargetBusy where the table's lock is not to be had.
        """

    def writer(self, table: Table, columns: Sequence[str], key: Sequence[str] = ()) -> Writer:
        """A writer for those columns of the table. Without `key` every row is a new one.

        With `key`, columns among them which the table has as a key (`Table.has_key`), a row whose key is there
        replaces the values of the other `columns` in that row: the key keeps its spelling, columns that are not
        written keep their values, and nothing is deleted. Any other row is inserted. Keys are the same where the
        table's own index says so, whatever the case of their letters. Of rows of one key the last one stands, in one
        batch as well as in several. A row without a value in a column of the key is refused: NULL is no other NULL's
        equal, and each load of the same file would insert it again. A row that would break another key of the table
        is refused as well, and changes no row that has another key than its own.

        Raises UnknownColumn, TargetRefused where the table has no such key.
        """

    def write_marker(self, rows: int, checksum: str) -> None:
        """Write the proof, last of all. Raises TransactionBroken."""

    def check_constraints(self) -> None:
        """Check what the database would check at the commit only, as for a dry run. Raises ConstraintViolated."""

    def locks(self) -> str:
        """What the transaction holds, in words for a person; it is asked for before `prepare`."""

    def prepare(self) -> None:
        """First phase of two. Raises TargetRefused on a branch that was opened for one."""

    def commit(self) -> None:
        """One-phase commit, or the second phase of what this session prepared."""

    def rollback(self) -> None:
        """Take back what is not committed, prepared or not, from the session that owns it. Never raises."""

    def cancel(self) -> None:
        """Make a running statement end with an error as soon as the database can. Never raises."""

    def close(self) -> None:
        """End the session. Never raises."""


#: Is told how to have something end.
Cancellable = Callable[[Callable[[], None]], None]


class Catalog(Protocol):
    """Reads of a target outside any task: what its tables are and hold."""

    def tables(self) -> list[str]:
        """Names, without Rescind's own and the system's."""

    def table(self, name: str) -> Table:
        """Raises UnknownTable, for Rescind's own and the system's tables too, and NotATable for a view."""

    def count(self, name: str) -> int:
        """Raises UnknownTable."""

    def rows(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        after: Sequence[object] | None = None,
        cancellable: Cancellable | None = None,
        exact: bool = False,
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """Rows from one snapshot in the primary key's order (else the database's own), a batch at a time.

        `columns` are those that are wanted, in their order. `after` is the key of the last row already seen. Constant
        memory whatever the size. `cancellable` is told of a cancel, before the database begins to look, that another
        thread may call at any moment, as a branch's: the read then ends with an error. With `exact` a value that can
        only be shown as something else than is stored (broken text, in a database that does not mind) raises
        Unwritable. Raises UnknownTable, UnknownColumn.
        """


class Target(Protocol):
    """A database that receives writes. Not to be carried over a fork."""

    name: str

    def capabilities(self) -> Capabilities:
        """Its card. Raises TargetUnavailable."""

    def protocol(self) -> CommitProtocol:
        """The commit that a single branch with automatic commit gets here."""

    def set_up(self) -> None:
        """Make the marker table (and an SQLite file) if it is missing; only where a target is registered.

        Raises TargetRefused, TargetUnavailable.
        """

    def preflight(self) -> None:
        """Check durability and the marker table, and make nothing: on a disk that is not mounted, an empty file
        with an empty marker table would prove that committed work never happened.

        Raises TargetRefused, TargetUnavailable.
        """

    def catalog(self) -> Catalog: ...

    def open_branch(self, branch: BranchId, protocol: CommitProtocol) -> Branch:
        """Connect. Raises TargetUnavailable."""

    def markers(self, ledger: str, task: str) -> list[Marker]:
        """Every marker and tombstone of the task, read in a fresh snapshot of the primary."""

    def list_prepared(self, ledger: str) -> list[BranchId]:
        """All branches of that ledger which are prepared and undecided. Raises Undecided where they cannot be seen."""

    def seen_prepared(self, ledger: str) -> list[BranchId]:
        """Those of them that this user may see, perhaps none: for the sweep and for reports."""

    def commit_prepared(self, branch: BranchId) -> None:
        """Second phase, from another session than the owner's."""

    def rollback_prepared(self, branch: BranchId) -> None:
        """Take a prepared branch back, from another session than the owner's."""

    def insert_tombstone(self, branch: BranchId) -> MarkerKind:
        """The kind that stands under the branch's key afterwards. Raises Undecided, TargetUnavailable."""

    def end_session(self, session: str) -> bool:
        """End the session and say whether it is proven gone, its transaction with it unless that is prepared."""

    def left_to_undo(self, session: str) -> int | None:
        """Rows that the session's rollback has still to take back; None where nothing is known of it."""

    def blocked(self, session: str) -> str | None:
        """Which lock the session's running statement waits for, in words; None where for none, or nothing is known."""

    def undo_table(self, name: str, branch: BranchId) -> None:
        """Drop the table if the branch's task made it and, under a write lock, it is empty; else leave it.

        Any attempt of the task up to the branch's own counts. Raises TargetBusy where the lock is not to be had.
        """

    def newest_incarnation(self, ledger: str) -> int:
        """The highest incarnation of that ledger among markers and the prepared branches that are seen, or 0."""

    def translate(self, error: Exception) -> RescindError | None:
        """Our error for a driver's or SQLAlchemy's that a task's function let through; None for any other."""

    def forget(self, ledger: str, task: str) -> None:
        """Delete the task's markers and tombstones: its ledger row is gone."""

    def close(self) -> None:
        """Let go of every connection that is not a branch's."""
