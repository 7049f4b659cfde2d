"""What the server refuses, and what that is in our words."""

from __future__ import annotations

from enum import StrEnum

from rescind.errors import (
    ConstraintViolated,
    RescindError,
    TargetConflict,
    TargetError,
    TargetUnavailable,
    TransactionBroken,
    Undecided,
    UnknownTable,
)


class Kind(StrEnum):
    """The server's error codes."""

    unavailable = "unavailable"
    conflict = "conflict"
    cancelled = "cancelled"
    constraint = "constraint"
    exists = "exists"
    unknown_table = "unknown-table"
    unknown_branch = "unknown-branch"  #: also said of a branch whose owner's session is still alive
    broken = "broken"
    undecided = "undecided"


class Refusal(Exception):
    """An error as it travels over the socket: the server's own, never seen outside this package."""

    def __init__(self, kind: Kind, message: str, row: int | None = None) -> None:
        super().__init__(kind, message, row)
        self.kind = kind
        self.message = message
        self.row = row


_ERRORS: dict[Kind, type[RescindError]] = {
    Kind.unavailable: TargetUnavailable,
    Kind.conflict: TargetConflict,
    Kind.cancelled: TargetConflict,
    Kind.exists: TargetConflict,
    Kind.unknown_table: UnknownTable,
    Kind.unknown_branch: TargetConflict,
    Kind.broken: TransactionBroken,
    Kind.undecided: Undecided,
}


def ours(refusal: Refusal) -> RescindError:
    """The error of `rescind.errors` that stands for the server's."""
    if refusal.kind is Kind.constraint:
        return ConstraintViolated(refusal.message, refusal.row)
    return _ERRORS[refusal.kind](refusal.message)


def translate(error: Exception) -> TargetError | None:
    """Our TargetError for a refusal that was let through; None for any other error."""
    found = ours(error) if isinstance(error, Refusal) else None
    return found if isinstance(found, TargetError) else None
