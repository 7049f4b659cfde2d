"""Many rows into one table: LOAD DATA from memory, or INSERTs of many rows where the server has that switched off.

LOAD DATA LOCAL takes every error for a warning: it stores something else, or leaves the row out. So the values are
looked at before, and afterwards as many rows must have arrived as were sent, without a single warning; otherwise the
batch is taken back to a savepoint. What was sent is in memory by then: no producer can die half-way.

Any other error breaks the branch. A deadlock, after which InnoDB has taken back the whole transaction, is one of them;
should the savepoint be gone for any other reason, going back to it fails, and that is one too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import pyarrow as pa
import pymysql
from pyarrow import compute

from rescind.domain.arrow import conform
from rescind.domain.limits import LOSES_SPACES, Violation, first_altered, require
from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, TargetError
from rescind.targets import keys
from rescind.targets.ahead import Encoded
from rescind.targets.mysql import encode, upsert
from rescind.targets.mysql.columns import exact, labels_of_set, loses_spaces
from rescind.targets.mysql.connection import Connection, Loaded
from rescind.targets.mysql.encode import RowText
from rescind.targets.mysql.failures import LOAD_DISABLED, UNSAFE_STATEMENT, known, number
from rescind.targets.mysql.session import run
from rescind.targets.mysql.sql import quote

pc: Any = compute  #: its type hints know no constants

ROWS_PER_STATEMENT = 65_536  #: of LOAD DATA
PACKET_BYTES = 256 * 1024
INSERT_BYTES = 512 * 1024
SEARCH_BYTES = 32 * 1024  #: of an INSERT that looks for the row that was refused

_FORM = r"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'"
_BATCH, _PART = "rescind_batch", "rescind_part"
_WARNINGS = "SHOW WARNINGS"
_TEXTS = (Type.text, Type.json, Type.uuid)


class _Part(NamedTuple):
    """The rows of one statement: where they begin in their batch, and the file for LOAD DATA where that is used."""

    start: int
    values: list[pa.Array[Any]]
    file: RowText | None

    @property
    def rows(self) -> int:
        return len(self.values[0])


class MySQLWriter:
    """Writes rows to one table, in the branch's transaction. `own` runs our statements, and breaks the branch if
    one fails. `conflict` stands behind an INSERT's rows: with it, rows may be there already, and LOAD DATA is not used.
    """

    def __init__(
        self,
        connection: Connection,
        own: Callable[[], AbstractContextManager[None]],
        table: Table,
        columns: Sequence[Column],
        packet: int,
        bulk: bool,
        key: Sequence[str] = (),
        conflict: str = "",
    ) -> None:
        self._connection = connection
        self._own = own
        self._columns = list(columns)
        self._packet = packet
        self._bulk = bulk and not conflict
        self._key = key
        self._conflict = conflict.encode()
        names = ", ".join(quote(column.name) for column in columns)
        self._insert = f"INSERT INTO {quote(table.name)} ({names}) VALUES ".encode()
        self._load = _load(table, columns).encode()

    def write(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> int:
        """Write the rows. Raises ConstraintViolated with the row's index in the batch; TargetConflict if cancelled.

        Whatever is raised, no row of the batch is left; after ConstraintViolated the branch can go on.
        """
        return self._sent(batch.num_rows, self._parts(batch, known))

    def encode(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> Encoded:
        """See EncodesAhead."""
        return Encoded(batch, tuple(self._parts(batch, known)))

    def send(self, rows: Encoded) -> int:
        """See EncodesAhead."""
        return self._sent(rows.batch.num_rows, rows.form)

    def close(self) -> None:
        """Nothing is kept back: every write is in the transaction when it returns."""

    def _parts(self, batch: pa.RecordBatch, known: Collection[Column]) -> Iterator[_Part]:
        """The rows of each statement. Raises ConstraintViolated before the first one."""
        keys.check_values(batch, self._key)
        arrays = [_plain(batch.column(column.name)) for column in self._columns]
        require(self._columns, arrays, known, _altered)
        for start in range(0, batch.num_rows, ROWS_PER_STATEMENT):
            values = [values.slice(start, ROWS_PER_STATEMENT) for values in arrays]
            yield _Part(start, values, encode.file(values) if self._bulk else None)

    def _sent(self, count: int, parts: Iterable[_Part]) -> int:
        """Send so many rows."""
        with self._own():
            run(self._connection, f"SAVEPOINT {_BATCH}")
            refused = self._put_all(parts)
            if refused is not None:
                run(self._connection, f"ROLLBACK TO SAVEPOINT {_BATCH}")
        if refused is not None:
            raise refused
        return count

    def _put_all(self, parts: Iterable[_Part]) -> ConstraintViolated | None:
        """Send the rows; the error if one of them is not taken as it is."""
        try:
            for part in parts:
                if part.file is None or not self._by_load(part, part.file):
                    self._by_inserts(part)
        except ConstraintViolated as error:
            return error
        return None

    def _by_load(self, part: _Part, file: RowText) -> bool:
        """Load the rows; False where LOAD DATA has been switched off since the server was looked at."""
        if not self._bulk:
            return False
        run(self._connection, f"SAVEPOINT {_PART}")
        try:
            loaded = self._connection.load(self._load, _chunks(file.text))
        except pymysql.Error as error:
            if number(error) in LOAD_DISABLED:
                self._bulk = False
                return False
            if isinstance(known(error), ConstraintViolated):
                raise self._refused(part) or known(error) or error from error
            raise
        if loaded != Loaded(part.rows, 0):
            told = self._warnings()
            missing = f"{loaded.rows} of {part.rows} rows were taken, with {loaded.warnings} warnings"
            raise self._refused(part) or ConstraintViolated(f"{missing}: {told}.")
        return True

    def _by_inserts(self, part: _Part) -> None:
        rows = encode.values(part.values)
        run(self._connection, f"SAVEPOINT {_PART}")
        for first, last in rows.pieces(min(INSERT_BYTES, self._packet // 2)):
            error = self._put(rows, first, last)
            if error is not None:
                raise self._refused(part) or error from error.__cause__

    def _refused(self, part: _Part) -> TargetError | None:
        """Which row the server does not take, found with INSERTs, which say it; None where it takes them all.

        The rows before the part are there: a row may have been refused because of one of them.
        """
        run(self._connection, f"ROLLBACK TO SAVEPOINT {_PART}")
        rows = encode.values(part.values)
        for first, last in rows.pieces(SEARCH_BYTES):
            if self._put(rows, first, last) is None:
                continue
            for row in range(first, last):
                error = self._put(rows, row, row + 1)
                if error is not None:
                    return ConstraintViolated(str(self._plainly(rows, row, error)), part.start + row)
        return None

    def _plainly(self, rows: RowText, row: int, error: ConstraintViolated) -> ConstraintViolated:
        """The error; of a row that met one with another key, what a plain INSERT says: it names the key of both."""
        return (self._put(rows, row, row + 1, b"") if upsert.met_another(error) else None) or error

    def _put(self, rows: RowText, first: int, last: int, conflict: bytes | None = None) -> ConstraintViolated | None:
        """Insert those rows; the error if the server does not take one of them as it is."""
        behind = self._conflict if conflict is None else conflict
        statement = self._insert + bytes(rows.piece(first, last)[:-1]) + behind
        if len(statement) >= self._packet:
            return ConstraintViolated(f"The row is longer than the server's max_allowed_packet ({self._packet} bytes).")
        try:
            done = self._connection.put(statement)
        except pymysql.Error as error:
            found = known(error)
            if not isinstance(found, ConstraintViolated):
                raise
            found.__cause__ = error
            return found
        # A row that was there counts twice if it has been changed, and once if it was the same.
        if last - first <= done.rows <= (last - first) * (2 if behind else 1) and not self._complains(done.warnings):
            return None
        return ConstraintViolated(f"The server says: {self._warnings()}.")

    def _complains(self, warnings: int) -> bool:
        """Whether one of the warnings is of a value. That a log of statements may lead elsewhere to another row of
        another key is none: there too such a row is refused.
        """
        return warnings > 0 and warnings > sum(row[1] == UNSAFE_STATEMENT for row in run(self._connection, _WARNINGS))

    def _warnings(self) -> str:
        return "; ".join(str(row[2]) for row in run(self._connection, f"{_WARNINGS} LIMIT 3")) or "nothing"


def _load(table: Table, columns: Sequence[Column]) -> str:
    """The statement. Where one column is binary the whole file is, and texts are said to be UTF-8 one by one."""
    binary = any(column.type is Type.binary for column in columns)
    read, assigned = [], []
    for n, column in enumerate(columns):
        value = None
        if column.declared.startswith("bit"):
            value = f"CAST(@rescind_{n} AS UNSIGNED)"  # a text's first byte would be taken for the bits
        elif binary and column.type in _TEXTS:
            value = f"CONVERT(@rescind_{n} USING utf8mb4)"
        read.append(quote(column.name) if value is None else f"@rescind_{n}")
        assigned += [] if value is None else [f"{quote(column.name)} = {value}"]
    charset = "binary" if binary else "utf8mb4"
    statement = f"LOAD DATA LOCAL INFILE 'rescind' INTO TABLE {quote(table.name)} CHARACTER SET {charset} {_FORM}"
    return f"{statement} ({', '.join(read)}){' SET ' + ', '.join(assigned) if assigned else ''}"


def _chunks(text: memoryview) -> Iterator[memoryview]:
    return (text[at : at + PACKET_BYTES] for at in range(0, len(text), PACKET_BYTES))


def _plain(values: pa.Array[Any]) -> pa.Array[Any]:
    return values.dictionary_decode() if isinstance(values, pa.DictionaryArray) else values


def _altered(column: Column, values: pa.Array[Any]) -> Violation | None:
    """The first value that the server would store as another one, without a word."""
    if column.type not in (Type.text, Type.binary):
        return None
    try:
        found = conform(values, column.type)
    except pa.ArrowInvalid:
        return None  # it is none of the type, which is told as that
    if (size := exact(column)) is not None:
        reason = f"the column fills up what is not {size} bytes long"
        return first_altered(column, pc.less(pc.binary_length(found), size), reason)
    if loses_spaces(column):
        return first_altered(column, pc.ends_with(found, " "), LOSES_SPACES)
    if (labels := labels_of_set(column)) is not None:
        reason = "the column keeps each of its labels once, as it is spelled and in the order in which it was declared"
        return first_altered(column, _unlike_set(found, labels), reason)
    return None


def _unlike_set(values: pa.Array[Any], labels: tuple[str, ...]) -> Any:
    """Which values the server would put in order; in one that is no label it takes a number for the labels' bits."""
    found = (value for value in pc.unique(values).to_pylist() if value is not None)
    unlike = [value for value in found if value != ",".join(label for label in labels if label in value.split(","))]
    return pc.is_in(values, pa.array(unlike, pa.string()))
