"""A connection to PostgreSQL that gives up in the end. A module of its own: only such a ledger needs the driver."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus


class PatientConnection(psycopg.Connection[Any]):
    """Waits `answer_seconds` for each answer: libpq waits for ever where the server's machine still acknowledges."""

    answer_seconds: float

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().wait(gen, *args, **kwargs | {"timeout": self.answer_seconds})
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # or the next statement would be given the answer to this one
            raise
