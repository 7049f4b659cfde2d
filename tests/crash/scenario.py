"""What one run does: a frozen value that can be written down, repeated, and drawn from a seed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Place(StrEnum):
    """The targets of a run: `default`, and for three of them `other`."""

    sqlite = "sqlite"  #: an SQLite file: one phase
    memory = "memory"  #: a memory server: two phases
    one_phase = "one-phase"  #: a memory server that cannot prepare: one phase, and a zombie that survives
    pair = "pair"  #: two memory servers: two phases
    mixed = "mixed"  #: an SQLite file and a memory server: its marker decides for both
    mixed_memory = "mixed-memory"  #: a memory server and one that cannot prepare

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets' names."""
        several = (Place.pair, Place.mixed, Place.mixed_memory)
        return ("default", "other") if self in several else ("default",)


class Job(StrEnum):
    """The task of a run."""

    write = "write"  #: four batches into a table with a primary key, in every target
    slow = "slow"  #: the same with pauses, long enough for heartbeats
    fail = "fail"  #: writes, then raises
    load = "load"  #: an uploaded CSV file into a table that is there
    create = "create"  #: the same into a table made for it
    generate = "generate"
    clear = "clear"


class Act(StrEnum):
    """What a trap does to the process that steps on it."""

    kill = "kill"  #: SIGKILL
    hang = "hang"  #: SIGSTOP; the run sends SIGCONT at its `wake`
    stall = "stall"  #: its thread sleeps past the lease while its watchdog goes on
    fail = "fail"  #: failpoints.Injected
    lose = "lose"  #: failpoints.ReplyLost
    outage = "outage"  #: OSError, as from a disk that fails
    stop = "stop"  #: a stop request arrives at this very moment


class Wake(StrEnum):
    """When a hung process goes on."""

    taken_over = "taken-over"  #: its attempt is not running any more
    retried = "retried"  #: the next attempt is at work
    ended = "ended"  #: the task has ended
    recovery_hangs = "recovery-hangs"  #: a worker, when a recoverer hangs too; the others when taken over


@dataclass(frozen=True)
class Trap:
    """The `at`-th hit of the failpoint `point` in a process acts."""

    point: str
    act: Act = Act.kill
    at: int = 1


@dataclass(frozen=True)
class ServerFault:
    """The `nth` call of `verb` at the server of target `target` meets `fault`."""

    target: str
    verb: str
    fault: str
    nth: int = 1


@dataclass(frozen=True)
class Scenario:
    """One run.

    `workers` are the traps of the workers, one process after the other (None: no trap); `recoverers` those of the
    sweepers that come when no worker is left. `together` workers start at once, with the first trap in the first
    of them; `beside` sweepers run from the beginning. `stop_after` and `pause_after` are seconds from the start:
    of a stop request, of a SIGSTOP to the first worker. `mutant` takes one guard out of the protocol.
    """

    seed: int
    place: Place
    job: Job = Job.write
    workers: tuple[Trap | None, ...] = ()
    recoverers: tuple[Trap | None, ...] = ()
    together: int = 1
    beside: int = 0
    stop_after: float | None = None
    pause_after: float | None = None
    wake: Wake = Wake.taken_over
    lease_seconds: float = 0.3
    hang_seconds: float = 1.0  #: beyond the lease: a process that hangs inside the ledger lets nobody go on
    fault: ServerFault | None = None
    lingers: bool = False  #: a worker whose attempt raised stays alive, as a pool's child does
    mutant: str | None = None
    story: str | None = None  #: one of `stories.STORIES`, with its `trap`, instead of an attempt that dies
    trap: Trap | None = None

    def document(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def line(self) -> str:
        return json.dumps(self.document())

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Scenario:
        """The inverse of `document()`."""
        values = dict(document)
        values["place"] = Place(values["place"])
        values["job"] = Job(values["job"])
        values["wake"] = Wake(values["wake"])
        values["workers"] = tuple(map(_trap, values["workers"]))
        values["recoverers"] = tuple(map(_trap, values["recoverers"]))
        values["trap"] = _trap(values["trap"])
        values["fault"] = values["fault"] and ServerFault(**values["fault"])
        return cls(**values)

    def traps(self) -> list[Trap]:
        return [trap for trap in (self.trap, *self.workers, *self.recoverers) if trap is not None]


def _trap(document: dict[str, Any] | None) -> Trap | None:
    return None if document is None else Trap(document["point"], Act(document["act"]), document["at"])
