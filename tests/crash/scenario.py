"""What one run does: a frozen value that can be written down, repeated, and drawn from a seed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from tests.crash.places import Place


class Job(StrEnum):
    """The task of a run."""

    write = "write"  #: four batches into a table with a primary key, in every target
    slow = "slow"  #: the same with pauses, long enough for heartbeats
    fail = "fail"  #: writes, then raises
    load = "load"  #: an uploaded CSV file into a table that is there
    load_by_two = "load-by-two"  #: the same, by two branches in one target
    replacement = "replacement"  #: a file's rows in the place of the user's
    upsert = "upsert"  #: a file's rows beside the user's, or in the place of those that have their keys
    skip = "skip"  #: a file of which some rows do not fit: they are left out, and kept in a file of rejects
    skip_by_two = "skip-by-two"  #: the same, by two branches in one target that share the file of rejects
    replace_and_skip = "replace-and-skip"  #: rows in the place of the user's, but for those that do not fit
    upsert_and_skip = "upsert-and-skip"  #: an upsert that leaves out the rows that do not fit
    too_many = "too-many"  #: rows in the place of the user's, of which more do not fit than may be left out
    create = "create"  #: an uploaded CSV file into a table made for it
    generate = "generate"
    clear = "clear"
    export = "export"  #: the user's table into a file
    report = "report"  #: writes, and makes a file of what it wrote


#: By two branches in each target.
BY_TWO = frozenset({Job.load_by_two, Job.skip_by_two})


class Act(StrEnum):
    """What a trap does to the process that steps on it."""

    kill = "kill"  #: SIGKILL
    hang = "hang"  #: SIGSTOP; the run sends SIGCONT at its `wake`
    stall = "stall"  #: its thread sleeps past the lease while its watchdog goes on
    fail = "fail"  #: failpoints.Injected
    lose = "lose"  #: failpoints.ReplyLost
    outage = "outage"  #: OSError, as from a disk that fails
    stop = "stop"  #: a stop request arrives at this very moment
    use = "use"  #: somebody puts a row into the table that the task has made, and the process is killed
    server = "server"  #: the trap's server is killed and started again, and the process goes on


class Wake(StrEnum):
    """When a hung process goes on."""

    taken_over = "taken-over"  #: its attempt is not running any more
    retried = "retried"  #: the next attempt is at work
    ended = "ended"  #: the task has ended, and no sweeper is left that would take back what lands then
    recovery_hangs = "recovery-hangs"  #: a worker, when a recoverer hangs too; the others when taken over
    worker_hangs = "worker-hangs"  #: a recoverer, when a worker hangs; the worker when no recoverer hangs any more


class Held(StrEnum):
    """The task is held for a manual commit, and a person answers."""

    commit = "commit"
    stop = "stop"
    expiry = "expiry"  #: nobody does, in a second


@dataclass(frozen=True)
class Trap:
    """The `at`-th hit of the failpoint `point` in a process acts; `server` is the one that dies of it."""

    point: str
    act: Act = Act.kill
    at: int = 1
    server: str | None = None


@dataclass(frozen=True)
class Death:
    """The server is killed `after` seconds from the start, and is started again `down` seconds later."""

    server: str
    after: float
    down: float


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
    of a stop request, of a SIGSTOP to the first worker. `deaths` are of real servers, which the runner must have for
    itself. `mutant` takes one guard out of the protocol.
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
    deaths: tuple[Death, ...] = ()
    held: Held | None = None
    dry_run: bool = False
    lingers: bool = False  #: a worker whose attempt raised stays alive, as a pool's child does
    mutant: str | None = None
    story: str | None = None  #: one of `stories.STORIES`, perhaps with its `trap`, instead of an attempt that dies
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
        values["deaths"] = tuple(Death(**death) for death in values["deaths"])
        values["held"] = values["held"] and Held(values["held"])
        return cls(**values)

    @property
    def branches(self) -> tuple[str, ...]:
        """The target of each branch of the task."""
        return tuple(name for name in self.place.targets for _ in range(2 if self.job in BY_TWO else 1))

    @property
    def two_phase(self) -> frozenset[str]:
        """The targets whose branches are prepared (PROTOCOL, which commit a task gets)."""
        alone = len(self.branches) == 1 and self.held is None
        return frozenset(n for n, k in self.place.targets.items() if (k.prepares_alone if alone else k.prepares))

    @property
    def one_phase(self) -> bool:
        """Whether a branch commits in one phase."""
        return not self.two_phase.issuperset(self.branches)

    @property
    def outages(self) -> bool:
        """Whether a real server dies in it."""
        return bool(self.deaths) or any(trap.act is Act.server for trap in self.traps())

    def traps(self) -> list[Trap]:
        return [trap for trap in (self.trap, *self.workers, *self.recoverers) if trap is not None]


def _trap(document: dict[str, Any] | None) -> Trap | None:
    return None if document is None else Trap(**document | {"act": Act(document["act"])})
