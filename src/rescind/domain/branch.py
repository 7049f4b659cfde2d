"""The identity of a branch, and what a target can say about one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PREFIX = "rescind:1"  #: of every name under which a database knows a branch


class Protocol(StrEnum):
    """How a branch commits."""

    one_phase = "one-phase"  #: its marker is the decision
    two_phase = "two-phase"  #: prepared first; the ledger's decision is carried out afterwards


class MarkerKind(StrEnum):
    """What a row of the marker table proves."""

    marker = "marker"  #: the branch committed
    tombstone = "tombstone"  #: the branch can never commit


@dataclass(frozen=True, order=True)
class BranchId:
    """Which branch of which attempt of which task of which ledger.

    All five are part of every name under which the branch is known in a database: otherwise a zombie's
    rollback hits the next attempt, and a restored ledger repeats committed work (PROTOCOL R4).
    `ledger` is 12 hex digits, `task` a UUID, the rest small integers.
    """

    ledger: str
    incarnation: int
    task: str
    attempt: int
    branch: int

    def __str__(self) -> str:
        return f"{PREFIX}:{self.ledger}:{self.incarnation}:{self.task}:{self.attempt}:{self.branch}"

    @classmethod
    def parse(cls, text: str) -> BranchId | None:
        """The inverse of `str()`; None for a name that is not ours."""
        if not text.startswith(PREFIX + ":"):
            return None
        parts = text.removeprefix(PREFIX + ":").split(":")
        if len(parts) != 5 or not all(parts[n].isdecimal() for n in (1, 3, 4)):
            return None
        return cls(parts[0], int(parts[1]), parts[2], int(parts[3]), int(parts[4]))


@dataclass(frozen=True)
class Marker:
    """One row of the marker table: proof about `branch`.

    `rows` counts what the branch wrote, `checksum` names the input it was made of (SHA-256, hex). Both are
    None for a tombstone.
    """

    branch: BranchId
    kind: MarkerKind
    rows: int | None
    checksum: str | None
    at: datetime
