"""The plain facts of a run, as they are judged: nothing here is read from a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Contents = Mapping[str, Mapping[str, Counter[tuple[Any, ...]]]]


@dataclass(frozen=True)
class MarkerSeen:
    """A row of a target's marker table. `kind` is `marker` or `tombstone`."""

    target: str
    attempt: int
    branch: int
    kind: str = "marker"
    rows: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class BranchSeen:
    """A two-phase branch of the attempt that was `committing`, when the ledger said so: listed, or marked."""

    attempt: int
    branch: int
    listed: bool
    marked: bool


@dataclass(frozen=True)
class Observed:
    """What was found after a run from fresh connections, and what was noted during it.

    `events` are (kind, attempt), oldest first; `stops` the answers to stop requests; `before`, `after` and
    `tables` hold counted rows by target and table: before the task, as they must be once it has committed, and
    now. `waits` names each lock that was still held; `alive` each process that did not come to its end.
    """

    state: str
    attempt: int
    events: tuple[tuple[str, int], ...]
    stops: tuple[str, ...]
    markers: tuple[MarkerSeen, ...]
    prepared: tuple[str, ...]
    committing: tuple[BranchSeen, ...]
    before: Contents
    after: Contents
    tables: Contents
    targets: tuple[str, ...]
    rows: int
    checksum: str
    receipt: Mapping[str, Any] | None
    may_end: frozenset[str]  #: the states that are right for this task, a stop apart
    one_phase: bool  #: one branch commits in one phase: `committing` may turn to `aborting`
    upload_there: bool | None = None  #: whether the uploaded bytes are kept; None: there was no upload
    files: Mapping[str, bytes] = field(default_factory=dict)  #: the bytes of each file by its name, after a sweep
    file_bytes: bytes | None = None  #: what the task's file must hold; None: it makes none
    left_out: tuple[int, ...] | None = None  #: the records that its file of rejects must name; None: it has none
    seen: tuple[Contents, ...] = ()  #: what others saw in the user's table during the run
    seen_early: tuple[Contents, ...] = ()  #: of it, what they saw while the task was not decided
    served: tuple[str, ...] = ()  #: the states in which a file was given out
    counts: Mapping[str, int] | None = None  #: the table's rows that its receipt must tell; None: any
    told: int | None = None  #: rows that its receipt must tell of, where they are not those in the markers
    task_id: str = ""
    waits: tuple[str, ...] = ()
    alive: tuple[str, ...] = ()
    finished: bool = True  #: the ledger has the time at which it ended
    problem: str | None = None  #: the code of the error that the task document shows
    notes: tuple[str, ...] = field(default=())  #: for a person who reads a failure

    @property
    def committed_attempts(self) -> frozenset[int]:
        """The attempts that a marker proves."""
        return frozenset(marker.attempt for marker in self.markers if marker.kind == "marker")

    @property
    def accepted(self) -> bool:
        return "accepted" in self.stops
