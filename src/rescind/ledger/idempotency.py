"""Idempotency keys: which request made which task."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from rescind.ledger import tables
from rescind.ledger.engine import now

_k = tables.idempotency_key


@dataclass(frozen=True)
class Found:
    """The request's hash and the task that it made."""

    hash: str
    task: str


def insert_key(connection: Connection, key: str, request_hash: str, task_id: str) -> None:
    """Raises IntegrityError where the key is taken."""
    connection.execute(insert(_k).values(key=key, hash=request_hash, task=task_id, created_at=now()))


def find(connection: Connection, key: str) -> Found | None:
    row = connection.execute(select(_k.c.hash, _k.c.task).where(_k.c.key == key)).one_or_none()
    return None if row is None else Found(row.hash, row.task)
