"""What a finished task states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rescind.domain.branch import Marker, Protocol

#: The kind of the file that has the rows which were left out.
REJECTS = "rejects"


@dataclass(frozen=True)
class Output:
    """A file that an attempt has made. `length` in bytes; `sha256` in hex; `filename` is what it is to be saved as.

    `made_at` is the file's own time, to the microsecond: one that has another may have been changed since.
    """

    kind: str
    filename: str
    media_type: str
    length: int
    sha256: str
    made_at: datetime

    def document(self) -> dict[str, Any]:
        """As it stands in the receipt."""
        return {
            "kind": self.kind,
            "filename": self.filename,
            "media_type": self.media_type,
            "length": self.length,
            "sha256": self.sha256,
            "made_at": _time(self.made_at),
        }


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
    outputs: tuple[Output, ...] = ()

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
            "outputs": [output.document() for output in self.outputs],
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
                "at": _time(marker.at),
            }
            for marker in markers
        ],
    }


def outputs_of(receipt: dict[str, Any] | None) -> list[Output]:
    """The files that a receipt names; none in one of a version that made none."""
    found = [] if receipt is None else receipt.get("outputs", [])
    return [Output(**(output | {"made_at": datetime.fromisoformat(output["made_at"])})) for output in found]


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
