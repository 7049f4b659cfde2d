"""A connection to PostgreSQL that gives up in the end, for the ledger and for targets. Needs the driver.

May import nothing of Rescind.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus


class PatientConnection(psycopg.Connection[Any]):
    """A connection that gives up when no answer comes for `patience` seconds; None: it waits for ever.

    libpq has no such limit: a server that is frozen still acknowledges by its machine's kernel.
    """

    patience: float | None = 10.0

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().wait(gen, *args, **kwargs | {"timeout": self.patience})
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # or the next statement would be given the answer to this one
            raise
