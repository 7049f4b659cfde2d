"""An ability that some writers have: rows are checked and encoded before their turn, while others are being sent.

Without it a server waits at each batch for what its client has still to do, which was a tenth to a fifth of the time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from rescind.domain.schema import Column


@dataclass(frozen=True)
class Encoded:
    """Rows that fit, and the form in which their writer's database is sent them. All of it is in memory: nothing that
    could fail has still to be made while a statement runs.
    """

    batch: pa.RecordBatch
    form: Any


@runtime_checkable
class EncodesAhead(Protocol):
    """`send(encode(batch, known))` is `write(batch, known)`, with the same errors."""

    def encode(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> Encoded:
        """Touches no connection: other threads may call it while this one sends. Raises ConstraintViolated."""

    def send(self, rows: Encoded) -> int:
        """Of rows that this writer encoded, or another one of the same table and columns."""
