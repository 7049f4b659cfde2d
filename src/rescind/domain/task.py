"""A task as a value, and the rules about its next step."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from rescind.domain.branch import Protocol
from rescind.domain.states import State
from rescind.errors import Retry

LONGEST_PHASE = 40  #: characters of a phase that are kept


class Commit(StrEnum):
    """Who says that a task commits."""

    auto = "auto"  #: its own attempt, as soon as everything is written
    manual = "manual"  #: a person, within the time for which it is held; else it is taken back


@dataclass(frozen=True)
class Terms:
    """How a task is to end. `hold_seconds` is how long a manual commit is waited for.

    `dry_run`: the whole write, constraints and triggers included, and then everything is taken back.
    """

    commit: Commit = Commit.auto
    dry_run: bool = False
    hold_seconds: int | None = None


MOST_COUNTED_ATTEMPTS = 3  #: attempts that may end in a retryable error
MOST_LOST_WORKERS = 5  #: attempts that may end because their worker died


@dataclass(frozen=True)
class Progress:
    """How far the current attempt has come. `rows` are written, `bytes` read; totals where known."""

    phase: str = "waiting"
    rows: int = 0
    rows_total: int | None = None
    bytes: int = 0
    bytes_total: int | None = None

    def told(
        self,
        added: int,
        phase: str | None = None,
        rows_total: int | None = None,
        bytes: int | None = None,
        bytes_total: int | None = None,
    ) -> Progress:
        """With so many rows added, and what is not None set. Raises as `whole`."""
        return replace(
            self,
            phase=self.phase if phase is None else str(phase)[:LONGEST_PHASE],
            rows=whole(self.rows + added),
            rows_total=self.rows_total if rows_total is None else whole(rows_total),
            bytes=self.bytes if bytes is None else whole(bytes),
            bytes_total=self.bytes_total if bytes_total is None else whole(bytes_total),
        )


def whole(number: int) -> int:
    """The number as the ledger can keep it: NumPy's integers become Python's.

    Raises TypeError or ValueError for what is no whole number of 63 bits.
    """
    found = operator.index(number)
    if not 0 <= found < 2**63:
        raise ValueError(f"{found} is no count: it is negative, or has more than 63 bits")
    return found


@dataclass(frozen=True)
class Problem:
    """Why an attempt ended: what the task document shows as `error`."""

    code: str
    detail: str
    advice: str
    retry: Retry
    details: dict[str, Any] = field(default_factory=dict)


EXPIRED = Problem(
    "hold-expired",
    "Nobody committed the task in time; it was taken back and nothing was changed.",
    "Start it again, with a longer hold_seconds if need be, and commit it in time.",
    Retry.never,
)

LOST_WORKER = Problem(
    "worker-lost",
    "The worker died or fell silent; the attempt was taken back and nothing was changed.",
    "Retry the task; if it happens again, look for what ends the worker (memory, an operator).",
    Retry.counted,
)


@dataclass(frozen=True)
class Task:
    """A row of the ledger. `attempt` is 0 before the first claim and the fencing token from then on."""

    id: str
    name: str
    args: dict[str, Any]
    targets: tuple[str, ...]
    state: State
    attempt: int
    beat: int
    stop_requested: bool
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    changed_at: datetime | None = None  #: when `state` last changed, or a stop was asked for
    not_before: datetime | None = None
    waiting_for: str | None = None
    protocol: Protocol | None = None
    retry_of: str | None = None
    errors: int = 0
    losses: int = 0
    worker: str | None = None  #: the process at work, as `str(ProcessId)`
    progress: Progress = Progress()
    receipt: dict[str, Any] | None = None
    problem: Problem | None = None
    terms: Terms = Terms()
    hold_until: datetime | None = None  #: on the ledger's clock: a held task is taken back from then on
    locks: dict[str, str] | None = None  #: what a held task holds, in words, by branch


def after_abort(task: Task) -> State:
    """Where an aborting task goes once its rollback is proven. `task` carries the counts and the problem.

    A stop wins over everything; a dry run that passed carries its receipt; a final error, or one too many, ends the
    task; all else is tried again.
    """
    if task.stop_requested:
        return State.stopped
    problem = task.problem
    if task.terms.dry_run and problem is None and task.receipt is not None:
        return State.checked
    if problem is None or problem.retry is Retry.free:
        return State.queued
    if problem.retry is Retry.never:
        return State.failed
    if task.losses >= MOST_LOST_WORKERS or task.errors >= MOST_COUNTED_ATTEMPTS:
        return State.failed
    return State.queued
