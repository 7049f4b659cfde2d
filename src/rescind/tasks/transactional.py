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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from sqlalchemy import Connection

from rescind.domain.receipt import Draft, Output
from rescind.domain.schema import Table, expect_plain, hidden
from rescind.domain.task import whole
from rescind.domain.upload import Upload
from rescind.errors import InvalidArguments, ResultInvalid, TargetBusy, UnknownTable
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

#: An argument of this type is the id of an upload; the upload is kept as long as the task needs it.
UploadId = NewType("UploadId", str)
#: An argument of this type is the number of branches that the task has in each of its targets.
Writers = NewType("Writers", int)
AUTO = "auto"  #: in its place: whoever submits the task decides; the task's own arguments have a number


class Spread:
    """Said of a parameter whose type is a model, as in `Annotated[Model, Spread]`: each field is an argument."""


Function = Callable[..., Any]


@dataclass(frozen=True)
class TaskDefinition:
    """A task that can be started: its name, the model of its arguments, where it writes, and its function.

    `anywhere`: whoever starts it may name other targets.
    """

    name: str
    function: Function
    arguments: type[BaseModel]
    targets: tuple[str, ...]
    upload_argument: str | None
    writers_argument: str | None = None
    anywhere: bool = False
    spread: Mapping[str, type[BaseModel]] = field(default_factory=dict)  #: parameters whose fields are arguments

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.function) or self.name).partition("\n")[0]

    def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments with defaults filled in, as JSON values. Raises InvalidArguments naming each problem."""
        try:
            model = self._read(args)
            self._given(model)
            return self._document(model)
        except ValidationError as error:
            problems = [
                {"argument": ".".join(map(str, e["loc"])), "message": e["msg"].removeprefix("Value error, ")}
                for e in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            text = "; ".join(": ".join(filter(None, p.values())) for p in problems)
            raise InvalidArguments(f"The arguments of task {self.name} are wrong: {text}.", problems) from None

    def branches(self, args: dict[str, Any], targets: Sequence[str] | None) -> tuple[str, ...]:
        """The target of each branch, for checked arguments. Raises InvalidArguments for targets that it cannot have."""
        if targets is not None and not self.anywhere and tuple(targets) != self.targets:
            raise InvalidArguments(
                f"Task {self.name} writes to {', '.join(self.targets)}; no other target can be named."
            )
        chosen = self.targets if targets is None else tuple(targets)
        if not chosen or len(set(chosen)) != len(chosen):
            raise InvalidArguments("A task has at least one target, and names none twice.")
        decided = self.decided(args)
        writers = decided[self.writers_argument] if self.writers_argument else 1
        return tuple(name for name in chosen for _ in range(writers))

    def decided(self, args: dict[str, Any], writers: int = 1) -> dict[str, Any]:
        """Checked arguments with that number of branches where they leave it open: a retry must have the same ones."""
        name = self.writers_argument
        return args | {name: writers} if name and args[name] == AUTO else args

    def call(self, tx: Transaction, args: dict[str, Any]) -> Any:
        """Run the function with checked arguments."""
        return self.function(tx, **self.given(args))

    def given(self, args: dict[str, Any]) -> dict[str, Any]:
        """What the function gets for arguments that are checked."""
        return self._given(self._read(args))

    def _document(self, model: BaseModel) -> dict[str, Any]:
        """As JSON values; of the arguments that belong together only those that were chosen."""
        usual = {name for spread in self.spread.values() for name, f in spread.model_fields.items()}
        chosen = model.model_dump(mode="json", exclude_defaults=True)
        return {n: value for n, value in model.model_dump(mode="json").items() if n in chosen or n not in usual}

    def _read(self, args: dict[str, Any]) -> BaseModel:
        """As JSON, in which an enumeration's value is its word and a tuple is a list."""
        return self.arguments.model_validate_json(json.dumps(args))

    def _given(self, model: BaseModel) -> dict[str, Any]:
        """What the function gets: the fields of a spread model are put together again."""
        given = {name: getattr(model, name) for name in type(model).model_fields}
        for parameter, spread in self.spread.items():
            given[parameter] = spread(**{name: given.pop(name) for name in spread.model_fields})
        return given

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, so that a user's own tests can call it."""
        return self.function(*args, **kwargs)


def transactional(
    name: str, *, targets: Sequence[str] = (DEFAULT_TARGET,), anywhere: bool = False
) -> Callable[[Function], TaskDefinition]:
    """Make a task of a function whose first parameter is a Transaction.

    `targets` are the registered databases that it writes to; with `anywhere` whoever starts it may name others, and
    the function writes to `tx.targets`. Raises TypeError for a parameter without an annotation, since its values
    could not be checked.
    """

    def decorate(function: Function) -> TaskDefinition:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        named: dict[Any, str] = {}
        spread: dict[str, type[BaseModel]] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            if parameter.name not in hints:
                raise TypeError(f"task {name}: parameter {parameter.name} needs a type annotation")
            hint = hints[parameter.name]
            named |= dict.fromkeys(_ways(hint), parameter.name)
            if Spread in getattr(hint, "__metadata__", ()):
                spread[parameter.name] = _bare(hint)
                fields |= {n: (f.rebuild_annotation(), f) for n, f in _bare(hint).model_fields.items()}
                continue
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (hint, default)
        # JSON has no other way to say these types, so "5" is not a number here and 1 is not a truth value.
        config = ConfigDict(extra="forbid", strict=True)
        model: type[BaseModel] = create_model(f"{name}-arguments", __config__=config, **fields)
        return TaskDefinition(
            name, function, model, tuple(targets), named.get(UploadId), named.get(Writers), anywhere, spread
        )

    return decorate


def _ways(hint: Any) -> list[Any]:
    """The types of which a value may be: those of a union, or the one."""
    plain = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    return [_bare(way) for way in (get_args(plain) if get_origin(plain) in (Union, UnionType) else (plain,))]


def _bare(hint: Any) -> Any:
    """The type of an annotation without what `Annotated` says of it."""
    return getattr(hint, "__origin__", hint)


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
