"""Rows are encoded while those before are written: in order, a few at a time, and nothing goes on after an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from tests.support.reading import never

from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, InvalidEncoding, TargetConflict
from rescind.readers.reader import Rows
from rescind.targets.ahead import Encoded
from rescind.tasks.writing import TableWriter, encoded_ahead
from rescind.transaction.control import Control
from rescind.transaction.work import Work

MOST_AHEAD = 3  #: batches that are encoded, or begun, and not yet given to be written
T = Table("t", (Column("a", Type.integer, "INTEGER"),))


class Recording:
    """A writer of one branch. `look` is called with the first value of each batch that is encoded."""

    def __init__(self, look: Callable[[int], None] = lambda first: None) -> None:
        self.look = look
        self.begun = 0
        self.sent: list[int] = []
        self.known: list[Collection[Column]] = []
        self.most_ahead = 0

    def encode(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> Encoded:
        self.begun += 1
        self.known.append(known)
        self.look(batch.column(0)[0].as_py())
        return Encoded(batch, batch.column(0).to_pylist())

    def send(self, rows: Encoded) -> int:
        self.most_ahead = max(self.most_ahead, self.begun - len(self.sent) // 2)
        self.sent += rows.form
        return rows.batch.num_rows

    def write(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> int:
        return self.send(self.encode(batch, known))

    def close(self) -> None:
        pass


def batches(count: int, step: int = 10) -> Iterator[Rows]:
    """Two rows each; the records between them have been left out."""
    for n in range(count):
        yield Rows(pa.record_batch({"a": [2 * n, 2 * n + 1]}), np.array([n * step + 1, n * step + 7]))


def table_writer(writer: Recording, **more: Any) -> TableWriter:
    branch = SimpleNamespace(writer=lambda *_: writer)
    work = SimpleNamespace(control=Control(), numbers=lambda _: [0], begun=lambda _: branch)
    return TableWriter(cast(Work, work), "default", T, ["a"], lambda rows, branch: None, **more)


def load(writer: Recording, found: Iterator[Rows], check: Callable[[], None] = never, **more: Any) -> None:
    with (
        table_writer(writer, **more) as writing,
        closing(encoded_ahead(found, [writing], check)) as ahead,
    ):
        for rows, (encoded,) in ahead:
            writing.put(rows, encoded)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_all_are_written_in_order_and_few_are_ahead() -> None:
    writer = Recording()
    load(writer, batches(50))
    assert writer.sent == list(range(100))
    assert writer.most_ahead <= MOST_AHEAD


def test_the_next_ones_are_encoded_while_one_is_written() -> None:
    encoded = threading.Event()
    writer = Recording(lambda first: encoded.set() if first == 2 else None)
    send, waited = writer.send, []

    def slow(rows: Encoded) -> int:
        waited.append(encoded.wait(10))
        return send(rows)

    writer.send = slow  # type: ignore[method-assign]
    load(writer, batches(3))
    assert waited == [True] * 3


@pytest.mark.parametrize("more", [{}, {"refused": lambda record, error: None}])
def test_the_writer_is_told_what_its_reader_has_looked_at(more: dict[str, Any]) -> None:
    writer = Recording()
    load(writer, (replace(rows, columns=T.columns) for rows in batches(3)), **more)
    assert writer.known == [T.columns] * 3


def test_of_rows_of_a_function_nothing_is_known() -> None:
    writer = Recording()
    with table_writer(writer) as writing:
        writing.write(pa.record_batch({"a": [1]}))
    assert writer.known == [()]


def refuse_fourth(first: int) -> None:
    if first == 6:
        raise ConstraintViolated("No sevens.", 1)


def test_what_does_not_fit_is_told_with_its_record_after_all_before_it() -> None:
    writer = Recording(refuse_fourth)
    with pytest.raises(ConstraintViolated, match="sevens") as error:
        load(writer, batches(9))
    assert error.value.row == 36
    assert writer.sent == [0, 1, 2, 3, 4, 5]


def test_an_encoder_that_breaks_ends_it() -> None:
    def broken(first: int) -> None:
        if first == 2:
            raise MemoryError

    writer = Recording(broken)
    with pytest.raises(MemoryError):
        load(writer, batches(9))
    assert writer.sent == [0, 1]


def test_a_producer_that_dies_is_no_end_of_the_rows() -> None:
    def dying() -> Iterator[Rows]:
        yield from batches(5)
        raise InvalidEncoding("The rest cannot be read.")

    with pytest.raises(InvalidEncoding):
        load(Recording(), dying())


def test_an_error_of_the_database_ends_the_encoding_too() -> None:
    writer = Recording()

    def lost(rows: Encoded) -> int:
        raise TargetConflict("A deadlock.")

    writer.send = lost  # type: ignore[method-assign]
    with pytest.raises(TargetConflict):
        load(writer, batches(1_000))
    assert writer.begun <= MOST_AHEAD


class Stop(Exception):
    pass


def test_a_stop_is_seen_while_rows_are_encoded() -> None:
    encoding, stopped = threading.Event(), threading.Event()

    def slow(first: int) -> None:
        encoding.set()
        assert stopped.wait(10)

    def check() -> None:
        if encoding.is_set():
            stopped.set()
            raise Stop

    writer = Recording(slow)
    with pytest.raises(Stop):
        load(writer, batches(1), check)
    assert writer.sent == []


def test_where_refused_rows_are_left_out_no_rows_are_read_ahead() -> None:
    """What the reader rejects and what the database refuses stand in the file's order."""
    seen: list[str] = []
    writer = Recording(lambda first: seen.append(f"written {first}"))

    def reading() -> Iterator[Rows]:
        for n, rows in enumerate(batches(3)):
            seen.append(f"read {n * 2}")
            yield rows

    load(writer, reading(), refused=lambda record, error: None)
    assert seen == ["read 0", "written 0", "read 2", "written 2", "read 4", "written 4"]
