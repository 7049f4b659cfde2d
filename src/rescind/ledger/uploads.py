"""What the ledger knows of uploads: the bytes themselves lie in the uploads directory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, or_, select, true, update

from rescind.domain.states import DONE, State
from rescind.domain.upload import Upload
from rescind.ledger import tables
from rescind.ledger.engine import now

_u = tables.upload
_t = tables.task


def insert_upload(connection: Connection, upload: Upload) -> None:
    connection.execute(
        insert(_u).values(
            id=upload.id,
            filename=upload.filename,
            content_type=upload.content_type,
            content_encoding=upload.content_encoding,
            length=upload.length,
            sha256=upload.sha256,
            created_at=now(),
        )
    )


def get(connection: Connection, upload_id: str) -> Upload | None:
    """None where there is no such upload, or its bytes have been deleted.

    In a transaction that writes it is kept until that ends: a sweep may be about to give it up.
    """
    query = select(_u).where(_u.c.id == upload_id, _u.c.deleted_at.is_(None)).with_for_update(read=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Upload(row.id, row.length, row.sha256, row.filename, row.content_type, row.content_encoding)


def same(connection: Connection, upload: Upload, since: datetime) -> Upload | None:
    """One that was received after that time with the same name, type and bytes, and that no task has ever used."""
    alike = (
        _u.c[name] == value if value is not None else _u.c[name].is_(None)
        for name, value in (
            ("filename", upload.filename),
            ("content_type", upload.content_type),
            ("content_encoding", upload.content_encoding),
            ("length", upload.length),
            ("sha256", upload.sha256),
        )
    )
    query = select(_u.c.id).where(*alike, _u.c.deleted_at.is_(None), _u.c.created_at > since, ~_uses(true()))
    found = connection.execute(query.order_by(_u.c.created_at.desc()).limit(1)).scalar()
    return None if found is None else replace(upload, id=found)


def disposable(connection: Connection, older_than: datetime) -> list[str]:
    """Ids whose bytes nobody needs: a task committed them, or they are old; and no task still wants them."""
    used = _uses(_t.c.state.not_in(DONE))
    committed = _uses(_t.c.state == State.committed)
    query = select(_u.c.id).where(_u.c.deleted_at.is_(None), ~used, or_(committed, _u.c.created_at < older_than))
    return list(connection.execute(query).scalars())


def mark_deleted(connection: Connection, upload_id: str) -> bool:
    """Give the bytes up, unless a task has come meanwhile that wants them.

    The row first: a task that is just being submitted holds it, and is seen only by the statement after that.
    """
    connection.execute(select(_u.c.id).where(_u.c.id == upload_id).with_for_update())
    where = (_u.c.id == upload_id, _u.c.deleted_at.is_(None), ~_uses(_t.c.state.not_in(DONE)))
    return connection.execute(update(_u).where(*where).values(deleted_at=now())).rowcount == 1


def known(connection: Connection) -> set[str]:
    """Ids whose bytes should be there."""
    return set(connection.execute(select(_u.c.id).where(_u.c.deleted_at.is_(None))).scalars())


def _uses(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(and_(_t.c.upload == _u.c.id, condition))
