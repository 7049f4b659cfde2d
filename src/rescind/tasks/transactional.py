"""The public API of tasks: `@transactional` makes one of a function, `Transaction` is what the function gets.

    @transactional(name="close-month")
    def close_month(tx: Transaction, month: str) -> dict:
        ...

The function's work is all or none. It gets no commit: whatever it writes is committed when it returns and
rolled back when it raises. Its arguments are JSON; they are checked against the annotations before the task
is accepted.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import operator
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, NewType, get_type_hints

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from sqlalchemy import Connection

from rescind import failpoints
from rescind.domain.receipt import Draft
from rescind.domain.schema import Table, hidden
from rescind.domain.upload import Upload
from rescind.errors import InvalidArguments, ResultInvalid, UnknownTable
from rescind.ledger import tasks as ledger_tasks
from rescind.ledger.engine import Ledger
from rescind.readers.reader import Reader
from rescind.settings import DEFAULT_TARGET
from rescind.targets.target import Writer
from rescind.transaction.work import Work
from rescind.uploads.store import UploadStore

#: An argument of this type is the id of an upload; the upload is kept as long as the task needs it.
UploadId = NewType("UploadId", str)

Function = Callable[..., Any]

LONGEST_PHASE = 40  #: characters of a phase that are kept


@dataclass(frozen=True)
class TaskDefinition:
    """A task that can be started: its name, the model of its arguments, where it writes, and its function."""

    name: str
    function: Function
    arguments: type[BaseModel]
    targets: tuple[str, ...]
    upload_argument: str | None

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.function) or self.name).partition("\n")[0]

    def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments with defaults filled in, as JSON values. Raises InvalidArguments naming each problem."""
        try:
            return self.arguments.model_validate(args).model_dump(mode="json")
        except ValidationError as error:
            problems = [
                {"argument": ".".join(map(str, e["loc"])), "message": e["msg"]}
                for e in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            text = "; ".join(f"{p['argument']}: {p['message']}" for p in problems)
            raise InvalidArguments(f"The arguments of task {self.name} are wrong: {text}.", problems) from None

    def call(self, tx: Transaction, args: dict[str, Any]) -> Any:
        """Run the function with checked arguments."""
        model = self.arguments.model_validate(args)
        return self.function(tx, **{name: getattr(model, name) for name in type(model).model_fields})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, so that a user's own tests can call it."""
        return self.function(*args, **kwargs)


def transactional(name: str, *, targets: Sequence[str] = (DEFAULT_TARGET,)) -> Callable[[Function], TaskDefinition]:
    """Make a task of a function whose first parameter is a Transaction.

    `targets` are the registered databases that it writes to. Raises TypeError for a parameter without an
    annotation, since its values could not be checked.
    """

    def decorate(function: Function) -> TaskDefinition:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        upload = None
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            if parameter.name not in hints:
                raise TypeError(f"task {name}: parameter {parameter.name} needs a type annotation")
            if hints[parameter.name] is UploadId:
                upload = parameter.name
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (hints[parameter.name], default)
        # JSON has no other way to say these types, so "5" is not a number here and 1 is not a truth value.
        config = ConfigDict(extra="forbid", strict=True)
        model: type[BaseModel] = create_model(f"{name}-arguments", __config__=config, **fields)
        return TaskDefinition(name, function, model, tuple(targets), upload)

    return decorate


class TableWriter:
    """Puts Arrow batches into one table, inside the task's transaction."""

    def __init__(self, tx: Transaction, writer: Writer, target: str) -> None:
        self._tx = tx
        self._writer = writer
        self._target = target

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows. Raises Stopped when a stop was asked for, ConstraintViolated for a bad row."""
        self._tx.check()
        self._tx.progress(rows=self._writer.write(batch), target=self._target)
        failpoints.hit("branch.mid_data")

    def close(self) -> None:
        self._writer.close()


def _whole(number: int) -> int:
    """The number as the ledger can keep it: NumPy's integers become Python's, everything else is refused here."""
    whole = operator.index(number)
    if not 0 <= whole < 2**63:
        raise ValueError(f"{whole} is no count: it is negative, or has more than 63 bits")
    return whole


class Transaction:
    """One attempt at a task, as its function sees it."""

    def __init__(
        self, work: Work, ledger: Ledger, uploads: UploadStore, open_upload: Callable[[Upload], Reader]
    ) -> None:
        self._work = work
        self._ledger = ledger
        self._uploads = uploads
        self._open_upload = open_upload
        self._inputs: list[Upload] = []
        self._draft = Draft()
        self._rows_read: int | None = None

    @property
    def task_id(self) -> str:
        return self._work.task.id

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
        target: str = DEFAULT_TARGET,
    ) -> None:
        """Tell what was done since the last call: `rows` are added, everything else is set.

        Raises TypeError or ValueError for a count that is no whole number of 64 bits.
        """
        control = self._work.control
        now = control.progress
        added = _whole(rows)
        self._work.written[target] += added
        control.progress = replace(
            now,
            phase=now.phase if phase is None else str(phase)[:LONGEST_PHASE],
            rows=_whole(now.rows + added),
            rows_total=now.rows_total if rows_total is None else _whole(rows_total),
            bytes=now.bytes if bytes is None else _whole(bytes),
            bytes_total=now.bytes_total if bytes_total is None else _whole(bytes_total),
        )

    def table(self, name: str, target: str = DEFAULT_TARGET) -> Table:
        """What the table looks like, read outside the transaction. Raises UnknownTable."""
        return self._work.target(target).catalog().table(name)

    def made_here(self, name: str, target: str = DEFAULT_TARGET) -> bool:
        """Whether Rescind made that table."""
        with self._ledger.read() as connection:
            return ledger_tasks.made_here(connection, target, name)

    def create_table(self, table: Table, target: str = DEFAULT_TARGET) -> None:
        """Make a table; it is gone again if the task does not commit. Raises UnknownTable for a reserved name."""
        self.check()
        if hidden(table.name):
            raise UnknownTable(f"The name {table.name!r} is reserved; no such table can be made.")
        self._work.branch(target).create_table(table)
        self._draft = replace(self._draft, made=(*self._draft.made, (target, table.name)))

    def clear_table(self, name: str, target: str = DEFAULT_TARGET) -> int:
        """Delete all rows; returns how many."""
        self.check()
        return self._work.branch(target).clear_table(name)

    def writer(self, table: Table, columns: Sequence[str], target: str = DEFAULT_TARGET) -> closing[TableWriter]:
        """The fast road for many rows: use it in a `with`, and give `write` Arrow batches of those columns."""
        self.check()
        return closing(TableWriter(self, self._work.branch(target).writer(table, columns), target))

    def upload(self, upload_id: str) -> closing[Reader]:
        """A reader of an upload's rows, for a `with`. The bytes' digest is verified before the decision."""
        upload = self._uploads.get(upload_id)
        self._inputs.append(upload)
        self.progress(bytes_total=upload.length)
        return closing(self._open_upload(upload))

    def counted(self, when: str, rows: int) -> None:
        """Put a row count into the receipt; `when` is `before` or `after`."""
        self._draft = replace(self._draft, counts=self._draft.counts | {when: rows})

    def rows_read(self, rows: int) -> None:
        """Put the number of rows read into the receipt, where it is not the number written."""
        self._rows_read = rows

    def draft(self, result: Any) -> Draft:
        """What the receipt will say. Raises ResultInvalid, InputChanged."""
        try:
            json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ResultInvalid(f"Task {self._work.task.name} returned what is not JSON: {error}.") from error
        for upload in self._inputs:
            self._uploads.verify(upload, self.check)
        written = self._work.control.progress.rows
        return replace(
            self._draft,
            rows_read=written if self._rows_read is None else self._rows_read,
            rows_written=written,
            input_digest=self._inputs[0].sha256 if self._inputs else None,
            result=result,
            checksum=self._checksum(),
        )

    def _checksum(self) -> str:
        """SHA-256 over what the rows were made of: the task's name and arguments, and its uploads' digests."""
        task = self._work.task
        made_of = [task.name, task.args, [upload.sha256 for upload in self._inputs]]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
