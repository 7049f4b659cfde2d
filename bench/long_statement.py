"""A user's task whose one statement runs for ten minutes, on both servers: RESCIND_TASKS=bench.long_statement."""

from __future__ import annotations

from sqlalchemy import text

from rescind.tasks import Transaction, transactional

SECONDS = 600
STATEMENTS = {"mysql": "SELECT SLEEP(:seconds)", "postgresql": "SELECT pg_sleep(:seconds)"}


@transactional(name="long-statement")
def long_statement(tx: Transaction) -> None:
    """Wait in the database."""
    connection = tx.connection()
    connection.execute(text(STATEMENTS[connection.dialect.name]), {"seconds": SECONDS})
