"""A branch in the memory database: one connection, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Table
from rescind.errors import RescindError, TargetRefused
from rescind.targets import keys
from rescind.testing.memory.wire import Link, ask
from rescind.testing.memory.writer import MemoryWriter


class MemoryBranch:
    """See `rescind.targets.target.Branch`."""

    def __init__(self, address: str, branch: BranchId, protocol: Protocol, *, transactional_ddl: bool = True) -> None:
        self.id = branch
        self._transactional_ddl = transactional_ddl
        self._address = address
        self._protocol = protocol
        self._link = Link(address)
        try:
            self.session: str = self._link.call("open")
        except RescindError:
            self._link.close()
            raise

    def start(self) -> None:
        self._link.call("start", self.id)

    def connection(self) -> Connection:
        raise TargetRefused("The memory database speaks no SQL.")

    def create_table(self, table: Table) -> None:
        if self._transactional_ddl:
            self._link.call("create_table", table)
        else:
            self._link.call("make_table", table, self.id)

    def create_indexes(self, table: Table) -> None:
        if not self._transactional_ddl:
            raise TargetRefused("A table is made with its indexes here.")
        self._link.call("create_indexes", table)

    def clear_table(self, table: str) -> int:
        cleared: int = self._link.call("clear_table", table)
        return cleared

    def writer(self, table: Table, columns: Sequence[str], key: Sequence[str] = ()) -> MemoryWriter:
        keys.check(table, columns, key)
        return MemoryWriter(self._link, table, key)

    def write_marker(self, rows: int, checksum: str) -> None:
        self._link.call("write_marker", rows, checksum)

    def check_constraints(self) -> None:
        """Nothing is deferred here."""

    def locks(self) -> str:
        return "Locks on the keys it inserted, and on the tables it made or cleared."

    def prepare(self) -> None:
        if self._protocol is not Protocol.two_phase:
            raise TargetRefused(f"{self.id} was opened for one-phase commit.")
        self._link.call("prepare")

    def commit(self) -> None:
        self._link.call("commit")

    def rollback(self) -> None:
        with suppress(RescindError):
            self._link.call("rollback")

    def cancel(self) -> None:
        # From a second connection: this branch's own is busy with the very statement.
        with suppress(RescindError):
            ask(self._address, "cancel", self.session)

    def close(self) -> None:
        with suppress(RescindError):
            self._link.call("close")
        self._link.close()
