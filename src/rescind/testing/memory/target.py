"""The memory database as a target."""

from __future__ import annotations

from rescind.domain.branch import BranchId, Marker, MarkerKind, Protocol
from rescind.errors import TargetError, TargetRefused
from rescind.targets.capabilities import Ability, Capabilities, Grade
from rescind.targets.target import Target
from rescind.testing.memory.branch import MemoryBranch
from rescind.testing.memory.catalog import MemoryCatalog
from rescind.testing.memory.failures import translate
from rescind.testing.memory.wire import ask


class MemoryTarget:
    """See `rescind.targets.target.Target`. `two_phase=False` gives a database that cannot prepare.

    `transactional_ddl=False` gives one whose CREATE TABLE commits by itself, as MySQL's does.
    """

    def __init__(self, name: str, address: str, *, two_phase: bool = True, transactional_ddl: bool = True) -> None:
        self.name = name
        self._address = address
        self._two_phase = two_phase
        self._transactional_ddl = transactional_ddl

    def capabilities(self) -> Capabilities:
        full = Ability(Grade.full, "The memory database can.")
        no_prepare = Ability(Grade.refused, "This memory database was opened without two-phase commit.")
        by_itself = Ability(Grade.limited, "CREATE TABLE commits by itself; it is undone if the task does not commit.")
        return Capabilities(
            database="Rescind's memory database for tests",
            one_phase=full,
            two_phase=full if self._two_phase else no_prepare,
            parallel_writers=full,
            several_branches=full if self._two_phase else no_prepare,
            transactional_ddl=full if self._transactional_ddl else by_itself,
            sql=Ability(Grade.refused, "The memory database speaks no SQL."),
            bulk_load=full,
        )

    def protocol(self) -> Protocol:
        return Protocol.two_phase if self._two_phase else Protocol.one_phase

    def set_up(self) -> None:
        self.preflight()

    def preflight(self) -> None:
        ask(self._address, "open")  # the markers are always there, and nothing is durable: it must answer

    def catalog(self) -> MemoryCatalog:
        return MemoryCatalog(self._address)

    def open_branch(self, branch: BranchId, protocol: Protocol) -> MemoryBranch:
        if protocol is Protocol.two_phase and not self._two_phase:
            raise TargetRefused(self.capabilities().two_phase.reason)
        return MemoryBranch(self._address, branch, protocol, transactional_ddl=self._transactional_ddl)

    def markers(self, ledger: str, task: str) -> list[Marker]:
        return list(ask(self._address, "read_markers", ledger, task))

    def list_prepared(self, ledger: str) -> list[BranchId]:
        return list(ask(self._address, "list_prepared", ledger))

    def seen_prepared(self, ledger: str) -> list[BranchId]:
        return self.list_prepared(ledger)

    def commit_prepared(self, branch: BranchId) -> None:
        ask(self._address, "commit_prepared", branch)

    def rollback_prepared(self, branch: BranchId) -> None:
        ask(self._address, "rollback_prepared", branch)

    def insert_tombstone(self, branch: BranchId) -> MarkerKind:
        return MarkerKind(ask(self._address, "insert_tombstone", branch))

    def end_session(self, session: str) -> bool:
        return bool(ask(self._address, "end_session", session))

    def left_to_undo(self, session: str) -> int | None:
        return None  # a rollback takes no time

    def blocked(self, session: str) -> str | None:
        found: str | None = ask(self._address, "blocked", session)
        return found

    def undo_table(self, name: str, branch: BranchId) -> None:
        ask(self._address, "undo_table", name, branch)

    def newest_incarnation(self, ledger: str) -> int:
        return int(ask(self._address, "newest_incarnation", ledger))

    def translate(self, error: Exception) -> TargetError | None:
        return translate(error)

    def forget(self, ledger: str, task: str) -> None:
        ask(self._address, "forget", ledger, task)

    def close(self) -> None:
        """Nothing is kept open: every call has a connection of its own."""


def memory_target(name: str, url: str, *, two_phase: bool = True) -> Target:
    """The target at `memory:///path/to/socket` (or the path alone)."""
    return MemoryTarget(name, url.removeprefix("memory://"), two_phase=two_phase)
