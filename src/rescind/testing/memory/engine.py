"""The database itself: sessions, transactions, prepared branches, locks. One lock makes every verb atomic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any

from rescind.domain.branch import BranchId, Marker, MarkerKind
from rescind.domain.schema import Table
from rescind.testing.memory.failures import Kind, Refusal
from rescind.testing.memory.storage import Changes, MarkerKey, Row, Stored, complete, key_of, marker_key

ROWS_AT_ONCE = 1000  #: rows that a statement inserts before it lets others in


@dataclass(eq=False)
class Session:
    """One connection. `hang_up` drops it; `landing`: a verb of it will be carried out whatever happens."""

    number: int
    started: str
    hang_up: Callable[[], None]
    changes: Changes | None = None
    branch: BranchId | None = None
    failed: bool = False  #: a statement failed: as on PostgreSQL, PREPARE and COMMIT now roll back silently
    cancelled: bool = False
    waiting: bool = False  #: for a lock
    landing: bool = False
    alive: bool = True

    def __str__(self) -> str:
        return f"{self.number}@{self.started}"


@dataclass
class Prepared:
    """A prepared branch, and the session that prepared it."""

    changes: Changes
    owner: Session


class Database:
    """All state. Method names are the verbs of the wire; those that need a transaction take the session first."""

    def __init__(self, lock_seconds: float = 10.0, attached: bool = True) -> None:
        self.changed = threading.Condition()
        self.lock_seconds = lock_seconds  #: how long a statement waits for another transaction's lock
        self.attached = attached  #: as on MariaDB, nobody else can finish a branch whose owner is connected
        self.sessions: dict[int, Session] = {}
        self.prepared: dict[BranchId, Prepared] = {}
        self.tables: dict[str, Stored] = {}
        self.markers: dict[MarkerKey, Marker] = {}
        self._boot()

    def _boot(self) -> None:
        self._numbers = count(1)
        # Numbers begin anew with every start of the server, as in real ones: the time tells them apart.
        self.started = f"{time.time_ns()}"

    # Sessions

    def connect(self, hang_up: Callable[[], None]) -> Session:
        with self.changed:
            session = Session(next(self._numbers), self.started, hang_up)
            self.sessions[session.number] = session
            return session

    def disconnect(self, session: Session) -> None:
        """The session ends: what it has not prepared is rolled back."""
        with self.changed:
            session.alive = False
            session.landing = False
            session.changes = None
            if self.sessions.get(session.number) is session:
                del self.sessions[session.number]
            self.changed.notify_all()

    def find(self, identity: str) -> Session | None:
        """The living session of that identity; a later one with the same number is another."""
        number, _, started = identity.partition("@")
        session = self.sessions.get(int(number))
        return session if session is not None and session.started == started else None

    def end_session(self, identity: str) -> bool:
        with self.changed:
            session = self.find(identity)
            if session is None:
                return True
            session.hang_up()
            if session.landing:
                return False
            self.disconnect(session)
            return True

    def blocked(self, identity: str) -> str | None:
        with self.changed:
            session = self.find(identity)
            return "a lock that another session holds" if session is not None and session.waiting else None

    def cancel(self, identity: str) -> None:
        with self.changed:
            session = self.find(identity)
            if session is not None:
                session.cancelled = True
                self.changed.notify_all()

    def restart(self) -> None:
        """As after a crash: sessions and active branches are gone, prepared ones are as they were."""
        with self.changed:
            for session in list(self.sessions.values()):
                session.hang_up()
                self.disconnect(session)
            self._boot()

    # One transaction

    def start(self, session: Session, branch: BranchId) -> None:
        session.branch = branch
        session.changes = Changes(branch)
        session.failed = False

    def create_table(self, session: Session, table: Table) -> None:
        changes = self._active(session)
        self._wait(session, lambda: any(c.touches(table.name) for c in self._others(changes)))
        if table.name in self.tables or table.name in changes.created:
            raise Refusal(Kind.exists, f"There is a table {table.name} already.")
        changes.created[table.name] = Stored(replace(table, indexes=()))

    def create_indexes(self, session: Session, table: Table) -> None:
        """Of a table that this transaction has made, from the rows that it has put there."""
        changes = self._active(session)
        stored = changes.created.get(table.name)
        if stored is None:
            raise Refusal(Kind.unknown_table, f"This transaction has made no table {table.name}.")
        self._take_time(session, len(changes.inserted[table.name]))
        stored.table = replace(stored.table, indexes=table.indexes)

    def make_table(self, session: Session, table: Table, maker: BranchId) -> None:
        """As on MySQL: it commits by itself. It waits, and so lands, like any other statement of the session."""
        self._wait(session, lambda: any(c.touches(table.name) for c in self._in_flight()))
        if table.name in self.tables:
            raise Refusal(Kind.exists, f"There is a table {table.name} already.")
        self.tables[table.name] = Stored(table, maker=maker)

    def undo_table(self, session: Session, name: str, branch: BranchId) -> None:
        """Drop it if that task made it and, while nobody else touches it, it is empty."""
        self._wait(session, lambda: any(c.touches(name) for c in self._in_flight()))
        stored = self.tables.get(name)
        if stored is None or stored.maker is None or stored.rows:
            return
        maker = stored.maker
        if (maker.ledger, maker.task) == (branch.ledger, branch.task) and maker.attempt <= branch.attempt:
            del self.tables[name]

    def clear_table(self, session: Session, name: str) -> int:
        changes = self._active(session)
        stored = self._table(name, changes)
        self._wait(session, lambda: any(c.touches(name) for c in self._others(changes)))
        return changes.clear(stored)

    def write(
        self, session: Session, name: str, columns: Sequence[str], values: Sequence[Row], replaces: bool = False
    ) -> int:
        """All of the rows or none; with `replaces` a row whose key is there takes that row's place."""
        changes = self._active(session)
        stored = self._table(name, changes)
        rows = complete(stored, columns, values)
        wanted = {key_of(stored.table, row) for row in rows} - {()}
        self._take_time(session, len(rows))
        self._wait(session, lambda: any(c.alone(name) or c.keys[name] & wanted for c in self._others(changes)))
        if replaces:
            changes.replace(stored, rows, columns)
        else:
            changes.insert(stored, rows)
        return len(rows)

    def write_marker(self, session: Session, rows: int, checksum: str) -> None:
        changes = self._active(session)
        key = marker_key(changes.branch)
        self._wait(session, lambda: any(self._marks(c, key) for c in self._others(changes)))
        if key in self.markers or changes.marker is not None:
            raise Refusal(Kind.constraint, f"The marker of {changes.branch} is there already.")
        changes.marker = Marker(changes.branch, MarkerKind.marker, rows, checksum, datetime.now(UTC))

    def prepare(self, session: Session) -> None:
        changes, session.changes = self._changes(session), None
        if not session.failed:
            self.prepared[changes.branch] = Prepared(changes, session)

    def commit(self, session: Session) -> None:
        if session.changes is None:
            self._finish_own(session, commit=True)
            return
        changes, session.changes = session.changes, None
        if not session.failed:
            self._apply(changes)

    def rollback(self, session: Session) -> None:
        if session.changes is None:
            self._finish_own(session, commit=False)
        session.changes = None

    def broken(self, session: Session) -> None:
        """What a hollow answer hides: the transaction is rolled back, prepared or not."""
        session.changes = None
        if session.branch is not None:
            self.prepared.pop(session.branch, None)

    # From any session

    def list_prepared(self, ledger: str) -> list[BranchId]:
        return sorted(branch for branch in self.prepared if branch.ledger == ledger)

    def commit_prepared(self, branch: BranchId) -> None:
        self._apply(self._take(branch).changes)

    def rollback_prepared(self, branch: BranchId) -> None:
        self._take(branch)

    def by_hand(self, branch: BranchId, commit: bool) -> None:
        """An operator's decision, which asks no owner. Raises Refusal where the branch is not prepared."""
        prepared = self.prepared.pop(branch, None)
        if prepared is None:
            raise Refusal(Kind.unknown_branch, f"Unknown xid: {branch}.")
        if commit:
            self._apply(prepared.changes)

    def insert_tombstone(self, session: Session, branch: BranchId) -> MarkerKind:
        key = marker_key(branch)
        late = Refusal(Kind.undecided, f"{branch} still holds its marker's key.")
        self._wait(session, lambda: any(self._marks(c, key) for c in self._in_flight()), late)
        tombstone = Marker(branch, MarkerKind.tombstone, None, None, datetime.now(UTC))
        return self.markers.setdefault(key, tombstone).kind

    def read_markers(self, ledger: str, task: str) -> list[Marker]:
        mine = (m for m in self.markers.values() if (m.branch.ledger, m.branch.task) == (ledger, task))
        return sorted(mine, key=lambda m: m.branch)

    def newest_incarnation(self, ledger: str) -> int:
        seen = chain(self.prepared, (m.branch for m in self.markers.values()))
        return max((branch.incarnation for branch in seen if branch.ledger == ledger), default=0)

    def forget(self, ledger: str, task: str) -> None:
        for key in [key for key in self.markers if key[:2] == (ledger, task)]:
            del self.markers[key]

    def table(self, name: str) -> Table:
        return self._table(name, None).table

    def table_names(self) -> list[str]:
        return sorted(self.tables)

    def rows(self, name: str) -> list[Row]:
        return self._table(name, None).sorted()

    # Within

    def _changes(self, session: Session) -> Changes:
        if session.changes is None:
            raise Refusal(Kind.broken, "The transaction that was begun is not there any more.")
        return session.changes

    def _active(self, session: Session) -> Changes:
        changes = self._changes(session)
        if session.failed:
            raise Refusal(Kind.broken, "A statement of this transaction has failed: it can only be rolled back.")
        return changes

    def _table(self, name: str, changes: Changes | None) -> Stored:
        stored = self.tables.get(name) or (changes.created.get(name) if changes else None)
        if stored is None:
            raise Refusal(Kind.unknown_table, f"There is no table {name}.")
        return stored

    def _in_flight(self) -> Iterator[Changes]:
        active = (s.changes for s in self.sessions.values() if s.changes is not None)
        return chain(active, (p.changes for p in self.prepared.values()))

    def _others(self, mine: Changes) -> Iterator[Changes]:
        return (c for c in self._in_flight() if c is not mine)

    def _marks(self, changes: Changes, key: MarkerKey) -> bool:
        return changes.marker is not None and marker_key(changes.branch) == key

    def pause(self, session: Session, seconds: float) -> None:
        """A statement that takes its time. Raises Refusal when it is cancelled."""
        until = time.monotonic() + seconds
        self._wait(session, lambda: time.monotonic() < until, seconds=seconds)

    def _take_time(self, session: Session, rows: int) -> None:
        """Let others in now and then, so that a long statement can be cancelled while it runs."""
        for _ in range(rows // ROWS_AT_ONCE):
            self.changed.wait(0.001)
            self._wait(session, lambda: session.cancelled or not session.alive)

    def _wait(
        self, session: Session, blocked: Callable[[], Any], late: Refusal | None = None, seconds: float | None = None
    ) -> None:
        """Wait while others hold what is needed; cancelled, ended or too late is a Refusal."""
        deadline = time.monotonic() + (self.lock_seconds if seconds is None else seconds + 1)
        try:
            while blocked():
                if not session.alive:
                    raise Refusal(Kind.unavailable, "The session was ended.")
                if session.cancelled:
                    raise Refusal(Kind.cancelled, "The statement was cancelled.")
                if time.monotonic() > deadline:
                    raise late or Refusal(Kind.conflict, "Another transaction holds the lock for too long.")
                session.waiting = seconds is None
                self.changed.wait(0.05)
        finally:
            session.waiting = False

    def _apply(self, changes: Changes) -> None:
        self.tables.update(changes.created)
        for name in changes.cleared:
            self.tables[name].clear()
        for name, numbered in changes.replaced.items():
            self.tables[name].rows.update(numbered)
        for name, rows in changes.inserted.items():
            self.tables[name].add(rows)
        if changes.marker is not None:
            self.markers[marker_key(changes.branch)] = changes.marker

    def _finish_own(self, session: Session, *, commit: bool) -> None:
        prepared = self.prepared.get(session.branch) if session.branch else None
        if prepared is None or prepared.owner is not session or session.branch is None:
            raise Refusal(Kind.unknown_branch, f"Unknown xid: {session.branch}.")
        self.by_hand(session.branch, commit)

    def _take(self, branch: BranchId) -> Prepared:
        prepared = self.prepared.get(branch)
        if prepared is None or (self.attached and prepared.owner.alive):
            raise Refusal(Kind.unknown_branch, f"Unknown xid: {branch}.")
        return self.prepared.pop(branch)
