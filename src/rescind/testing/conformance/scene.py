"""What the suite's tests stand on: branches to act with, and looks from fresh connections."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.branch import BranchId, Marker, MarkerKind, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import UnknownTable
from rescind.targets.target import Branch, Target

Connect = Callable[[], Target]

LEDGER = "c0ffee000001"
CHECKSUM = "ab" * 32
DEADLINE_SECONDS = 20.0

ITEMS = Table(
    "items",
    (
        Column("id", Type.integer, "", nullable=False, key=1),
        Column("name", Type.text, ""),
    ),
)


def new_branch(ledger: str = LEDGER, attempt: int = 1) -> BranchId:
    """A branch of a task of its own."""
    return BranchId(ledger, 1, str(uuid.uuid4()), attempt, 0)


def items(*ids: int) -> pa.RecordBatch:
    """Rows of ITEMS."""
    fields: list[tuple[str, pa.DataType]] = [("id", pa.int64()), ("name", pa.string())]
    return pa.RecordBatch.from_pylist([{"id": n, "name": f"item {n}"} for n in ids], schema=pa.schema(fields))


def write(branch: Branch, *batches: pa.RecordBatch, table: Table = ITEMS, key: Sequence[str] = ()) -> int:
    """Put the batches into the table, inside the branch; how many rows were written."""
    writer = branch.writer(table, [column.name for column in table.columns], key)
    written = sum(writer.write(batch) for batch in batches)
    writer.close()
    return written


def eventually(fact: Callable[[], Any], what: str) -> None:
    """Wait until the fact holds; fails naming it after DEADLINE_SECONDS."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.01)


@dataclass
class Scene:
    """One target under test, and everything that a test opened in it."""

    connect: Connect
    opened: list[Target] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)

    def fresh(self) -> Target:
        """A target object that shares nothing with those before."""
        target = self.connect()
        self.opened.append(target)
        return target

    def open(self, protocol: Protocol = Protocol.one_phase, branch: BranchId | None = None) -> Branch:
        opened = self.fresh().open_branch(branch or new_branch(), protocol)
        self.branches.append(opened)
        return opened

    def begin(self, protocol: Protocol = Protocol.one_phase, branch: BranchId | None = None) -> Branch:
        opened = self.open(protocol, branch)
        opened.start()
        return opened

    def written(self, *ids: int, protocol: Protocol = Protocol.one_phase, branch: BranchId | None = None) -> Branch:
        """A branch that wrote those ITEMS and its marker."""
        begun = self.begin(protocol, branch)
        write(begun, items(*ids))
        begun.write_marker(len(ids), CHECKSUM)
        return begun

    def making(self, table: Table) -> Branch:
        """A begun branch that made the table: inside its transaction, or before it where the card says so."""
        branch = self.open()
        if self.makes_before():
            branch.create_table(table)
        branch.start()
        if not self.makes_before():
            branch.create_table(table)
        return branch

    def makes_before(self) -> bool:
        """Whether DDL commits by itself, so that tables are made before the transaction (PROTOCOL R12)."""
        return not self.fresh().capabilities().makes_tables_inside

    def make(self, table: Table, *batches: pa.RecordBatch) -> None:
        """Have the table, committed, with those rows."""
        branch = self.making(table)
        write(branch, *batches, table=table)
        branch.write_marker(sum(batch.num_rows for batch in batches), CHECKSUM)
        branch.commit()
        branch.close()

    def count(self, table: str = ITEMS.name) -> int | None:
        """Rows that others see; None where there is no such table."""
        try:
            return self.fresh().catalog().count(table)
        except UnknownTable:
            return None

    def values(self, table: str, **how: Any) -> list[tuple[Any, ...]]:
        """All rows, as others see them."""
        with self.fresh().catalog().rows(table, **how) as batches:
            return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]

    def prepared(self, ledger: str = LEDGER) -> list[BranchId]:
        return self.fresh().list_prepared(ledger)

    def kinds(self, branch: BranchId) -> list[MarkerKind]:
        """Which rows of the marker table others see for the branch's task."""
        return [marker.kind for marker in self.markers(branch)]

    def markers(self, branch: BranchId) -> list[Marker]:
        return self.fresh().markers(branch.ledger, branch.task)

    def sees(self, branch: Branch, *, prepared: bool, rows: int | None, marked: bool) -> None:
        """Assert what a fresh connection sees: is it listed, how many ITEMS are there, is it marked."""
        assert (branch.id in self.prepared()) is prepared
        assert self.count() == rows
        assert self.kinds(branch.id) == [MarkerKind.marker] * marked

    def close(self) -> None:
        for branch in self.branches:
            branch.rollback()
            branch.close()
        for target in self.opened:
            target.close()


class Suite:
    """The fixtures that all parts of the suite share."""

    @pytest.fixture
    def connect(self) -> Connect:
        raise NotImplementedError("a target's test class supplies `connect`")

    @pytest.fixture
    def empty(self, connect: Connect) -> Iterator[Scene]:
        """A database without tables, set up."""
        scene = Scene(connect)
        scene.fresh().set_up()
        scene.fresh().preflight()
        yield scene
        scene.close()

    @pytest.fixture
    def scene(self, empty: Scene) -> Scene:
        """A database with an empty table ITEMS."""
        empty.make(ITEMS)
        return empty
