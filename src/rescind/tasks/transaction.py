"""What a task's function gets: one attempt, with the databases, the files and the progress that belong to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from rescind.domain.receipt import Draft, Output
from rescind.domain.schema import Table, expect_plain, hidden
from rescind.domain.task import whole
from rescind.domain.upload import Upload
from rescind.errors import ResultInvalid, TargetBusy, UnknownTable
from rescind.ledger import pending
from rescind.ledger import tasks as ledger_tasks
from rescind.ledger.engine import Ledger
from rescind.readers.options import NOTHING_SAID, Options
from rescind.readers.reader import Opener, Reader
from rescind.settings import DEFAULT_TARGET
from rescind.tasks.writing import Refused, TableWriter
from rescind.transaction.work import Work
from rescind.uploads.measured import UsedUpload
from rescind.uploads.output_file import OutputFile
from rescind.uploads.outputs import OutputStore
from rescind.uploads.store import UploadStore


class Transaction:
    """One attempt at a task, as its function sees it."""

    def __init__(
        self,
        work: Work,
        ledger: Ledger,
        uploads: UploadStore,
        outputs: OutputStore,
        open_upload: Callable[[Upload, Options, Callable[[], None], Opener], Reader],
    ) -> None:
        self._work = work
        self._ledger = ledger
        self._uploads = uploads
        self._outputs = outputs
        self._open_upload = open_upload
        self._inputs: list[UsedUpload] = []
        self._draft = Draft()
        self._rows_read: int | None = None

    @property
    def task_id(self) -> str:
        return self._work.task.id

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the databases that this task writes to."""
        return tuple(dict.fromkeys(self._work.task.targets))

    def connection(self, target: str = DEFAULT_TARGET) -> Connection:
        """A SQLAlchemy connection inside the transaction. Transaction statements and DDL are refused on it."""
        self.check()
        return self._work.branch(target).connection()

    def check(self) -> None:
        """Raise Stopped when a stop was asked for. Call it in every loop that runs without the database."""
        self._work.control.check()

    def progress(
        self,
        *,
        rows: int = 0,
        phase: str | None = None,
        rows_total: int | None = None,
        bytes: int | None = None,
        bytes_total: int | None = None,
        target: str | None = DEFAULT_TARGET,
    ) -> None:
        """Tell what was done since the last call: `rows` are added, everything else is set.

        `target` is where the rows were written; None for a file. Raises TypeError or ValueError for a count that is
        no whole number of 64 bits.
        """
        added = whole(rows)
        if added and target is not None:  # a task that only tells its phase need not write to `default`
            self._work.written[self._work.numbers(target)[0]] += added
        control = self._work.control
        control.progress = control.progress.told(added, phase, rows_total, bytes, bytes_total)

    def table(self, name: str, target: str = DEFAULT_TARGET) -> Table:
        """What the table looks like, read outside the transaction.

        Raises UnknownTable; and TargetBusy for one that another task has made and may still take back: where CREATE
        TABLE commits by itself the table is there before its task has committed (PROTOCOL R12).
        """
        found = self._work.target(target).catalog().table(name)
        with self._ledger.read() as connection:
            if pending.by_another(connection, target, name, self.task_id):
                raise TargetBusy(f"Table {name} of target {target} is being made by another task.")
        return found

    @contextmanager
    def rows(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        target: str = DEFAULT_TARGET,
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        """Rows of a table from one snapshot, in its key's order, as Arrow batches: for a `with`.

        They are read outside the transaction, which sees what it has written itself and they do not. A stop ends the
        read in the database. Raises UnknownTable, UnknownColumn, Stopped; Unwritable for a value that would be altered.
        """
        self.check()
        catalog = self._work.target(target).catalog()
        with (
            self._work.control.cancellable() as cancellable,
            catalog.rows(name, columns=columns, limit=limit, cancellable=cancellable, exact=True) as batches,
        ):
            yield self._checked(batches)

    def _checked(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.check()
            yield batch

    def made_here(self, name: str, target: str = DEFAULT_TARGET) -> bool:
        """Whether Rescind made that table."""
        with self._ledger.read() as connection:
            return ledger_tasks.made_here(connection, target, name)

    def create_table(self, table: Table, target: str = DEFAULT_TARGET) -> None:
        """Make a table; it is gone again if the task does not commit. Raises UnknownTable for a reserved name.

        Raises InvalidArguments for a name with a dot.
        """
        self.check()
        expect_plain(table.name)
        if hidden(table.name):
            raise UnknownTable(f"The name {table.name!r} is reserved; no such table can be made.")
        self._work.create_table(target, table)
        self._draft = replace(self._draft, made=(*self._draft.made, (target, table.name)))

    def makes_inside(self, target: str = DEFAULT_TARGET) -> bool:
        """Whether a table that is made is part of the transaction: until the commit only the branch sees it."""
        return self._work.makes_inside(target)

    def create_indexes(self, table: Table, target: str = DEFAULT_TARGET) -> None:
        """Build the `indexes` of a table that `create_table` made, from its rows, unless it was made with them."""
        self.check()
        if table.indexes and self.makes_inside(target):
            self.progress(phase="indexing")
            self._work.branch(target).create_indexes(table)

    def clear_table(self, name: str, target: str = DEFAULT_TARGET) -> int:
        """Delete all rows; returns how many."""
        self.check()
        return self._work.branch(target).clear_table(name)

    def writer(
        self,
        table: Table,
        columns: Sequence[str],
        target: str = DEFAULT_TARGET,
        key: Sequence[str] = (),
        refused: Refused | None = None,
    ) -> TableWriter:
        """The fast road for many rows: use it in a `with`, and give `write` Arrow batches of those columns.

        With `key`, which the table has, a row whose key is there replaces the other values of that row.
        With `refused` a row that the database refuses is handed to it and left out, instead of ending the task.
        """
        self.check()
        return TableWriter(self._work, target, table, columns, self._wrote, key, refused)

    def written(self, target: str = DEFAULT_TARGET) -> int:
        """Rows that were written to that target so far."""
        return sum(self._work.written[number] for number in self._work.numbers(target))

    def written_beside(self, target: str = DEFAULT_TARGET) -> int:
        """Those that `connection` does not see: rows that were written by further branches of the target."""
        return sum(self._work.written[number] for number in self._work.numbers(target)[1:])

    def _wrote(self, rows: int, branch: int) -> None:
        self._work.written[branch] += rows
        self._work.control.progress = self._work.control.progress.told(rows)

    def upload(self, upload_id: str, options: Options = NOTHING_SAID) -> closing[Reader]:
        """A reader of an upload's rows, for a `with`. The bytes' digest is verified before the decision."""
        upload = self._uploads.get(upload_id)
        self._inputs.append(used := UsedUpload(upload))
        self.progress(bytes_total=upload.length)
        return closing(self._open_upload(upload, options, self.check, used.open))

    def output(self, kind: str, *, filename: str, media_type: str) -> AbstractContextManager[OutputFile]:
        """A binary file to write to, for a `with`; who started the task can download it once the task has committed.

        It is to be saved as `filename`. A task makes one file of each kind. Raises Stopped and OutputStorageFull.
        """
        self.check()
        task = self._work.task
        return self._outputs.make(
            task, kind, filename=filename, media_type=media_type, check=self.check, made=self._made
        )

    def _made(self, output: Output) -> None:
        self._draft = replace(self._draft, outputs=(*self._draft.outputs, output))

    def counted(self, when: str, rows: int, target: str = DEFAULT_TARGET) -> None:
        """Put a row count into the receipt; `when` is `before` or `after`. With several targets it names its own."""
        name = when if len(self.targets) == 1 else f"{when} in {target}"
        self._draft = replace(self._draft, counts=self._draft.counts | {name: rows})

    def rows_read(self, rows: int, *, rejected: int = 0) -> None:
        """Put the number of rows read into the receipt, where it is not the number written, and of those left out."""
        self._rows_read = rows
        self._draft = replace(self._draft, rows_rejected=rejected)

    def draft(self, result: Any) -> Draft:
        """What the receipt will say. Raises ResultInvalid, InputChanged."""
        try:
            json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ResultInvalid(f"Task {self._work.task.name} returned what is not JSON: {error}.") from error
        for used in self._inputs:
            self._uploads.verify(used.upload, self.check, used.measure)
        written = self._work.control.progress.rows
        return replace(
            self._draft,
            rows_read=written if self._rows_read is None else self._rows_read,
            rows_written=written,
            input_digest=self._inputs[0].upload.sha256 if self._inputs else None,
            result=result,
            checksum=self._checksum(),
        )

    def _checksum(self) -> str:
        """SHA-256 over what the rows were made of: the task's name and arguments, and its uploads' digests."""
        task = self._work.task
        made_of = [task.name, task.args, [used.upload.sha256 for used in self._inputs]]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
