"""What a finished task states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rescind.domain.branch import Marker, Protocol


@dataclass(frozen=True)
class Draft:
    """What an attempt knows before the decision; it goes into the ledger WITH the decision.

    Recovery must be able to write the same receipt as the worker would have, so nothing of it may live
    only in the worker's memory. `made` are the tables that the task makes, as (target, table).
    """

    rows_read: int = 0
    rows_written: int = 0
    rows_rejected: int = 0
    input_digest: str | None = None
    result: Any = None
    made: tuple[tuple[str, str], ...] = ()
    counts: dict[str, int] = field(default_factory=dict)  #: `before` and `after`, where they were counted
    checksum: str = ""

    def document(self) -> dict[str, Any]:
        """The JSON that is stored with the decision."""
        return {
            "rows_read": self.rows_read,
            "rows_written": self.rows_written,
            "rows_rejected": self.rows_rejected,
            "input_digest": self.input_digest,
            "result": self.result,
            "tables_made": [{"target": target, "table": table} for target, table in self.made],
            "counts": self.counts,
        }


def complete(draft: dict[str, Any], protocol: Protocol, markers: Sequence[Marker]) -> dict[str, Any]:
    """The receipt: the draft that was decided, and the markers that prove it."""
    return draft | {
        "protocol": protocol,
        "branches": [
            {
                "branch": str(marker.branch),
                "rows": marker.rows,
                "checksum": marker.checksum,
                "at": marker.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            }
            for marker in markers
        ],
    }
