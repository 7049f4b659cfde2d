"""The ledger's tables. A change here needs a migration beside it (tests compare the two)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time in Python; a zoneless one with microseconds in the database, which every dialect has."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return mysql.DATETIME(fsp=6) if dialect.name == "mysql" else super().load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Words(TypeDecorator[str]):
    """Text of so many characters. In PostgreSQL, whose texts have no NUL, its picture stands for it: a reject may
    quote one, and a client may ask for any id.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None or dialect.name != "postgresql" else value.replace("\0", "\N{SYMBOL FOR NULL}")


class LongWords(Words):
    """The same of any length."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return mysql.LONGTEXT() if dialect.name == "mysql" else super().load_dialect_impl(dialect)


_Id = Words(36)

#: Who this ledger is: one row. The id is part of every branch's name; the incarnation rises when a ledger
#: is restored from a backup (PROTOCOL R4, R9).
identity = Table(
    "identity",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("ledger", Words(12), nullable=False),
    Column("incarnation", Integer, nullable=False),
)

task = Table(
    "task",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Words(200), nullable=False),
    Column("args", JSON, nullable=False),
    Column("upload", _Id, index=True),
    Column("state", Words(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("announced_at", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("waiting_for", LongWords),
    Column("protocol", Words(16)),
    Column("retry_of", _Id, unique=True),
    Column("errors", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("worker", Words(255)),
    Column("phase", Words(40), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("rows_total", BigInteger),
    Column("bytes", BigInteger, nullable=False),
    Column("bytes_total", BigInteger),
    Column("receipt", JSON(none_as_null=True)),
    Column("problem", JSON(none_as_null=True)),
    Column("commit", Words(8), nullable=False, server_default="auto"),
    Column("dry_run", Boolean, nullable=False, server_default=false()),
    Column("hold_seconds", Integer),
    Column("hold_until", UtcDateTime),
    Column("locks", JSON(none_as_null=True)),
    Index(None, "state", "created_at", "id"),
)

#: The targets of a task, in the order of its branches.
task_target = Table(
    "task_target",
    metadata,
    Column("task", _Id, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True),
    Column("branch", Integer, primary_key=True, autoincrement=False),
    Column("target", Words(100), nullable=False, index=True),
)

#: Every branch that may exist, written BEFORE it opens (PROTOCOL R6). `ended_at`: its owner has closed it.
branch = Table(
    "branch",
    metadata,
    Column("task", _Id, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("branch", Integer, primary_key=True, autoincrement=False),
    Column("target", Words(100), nullable=False),
    Column("protocol", Words(16), nullable=False),
    Column("session", Words(255), nullable=False),
    Column("incarnation", Integer, nullable=False, server_default="1"),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("task", _Id, ForeignKey("task.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Words(40), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("detail", JSON, nullable=False),
)

reject = Table(
    "reject",
    metadata,
    Column("task", _Id, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("record", BigInteger, nullable=False),
    Column("column_name", LongWords),
    Column("value", LongWords),
    Column("reason", LongWords, nullable=False),
)

upload = Table(
    "upload",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("filename", LongWords),
    Column("content_type", Words(255)),
    Column("content_encoding", Words(40)),
    Column("length", BigInteger, nullable=False),
    Column("sha256", Words(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("key", Words(255), primary_key=True),
    Column("hash", Words(64), nullable=False),
    Column("task", _Id, ForeignKey("task.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
)

#: Tables that Rescind made, and by which task. The demo's endpoints touch no others.
made_table = Table(
    "made_table",
    metadata,
    Column("target", Words(100), primary_key=True),
    Column("name", Words(255), primary_key=True),
    Column("task", _Id, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

#: Tables that a task is about to make by a statement which commits by itself: written BEFORE that statement, gone with
#: the transition that ends the attempt (PROTOCOL R12).
pending_table = Table(
    "pending_table",
    metadata,
    Column("task", _Id, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("branch", Integer, primary_key=True, autoincrement=False),
    Column("name", Words(255), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

#: Tasks that are forgotten here, and whose markers in that target are still to be deleted.
forgotten = Table(
    "forgotten",
    metadata,
    Column("task", _Id, primary_key=True),
    Column("target", Words(100), primary_key=True),
)
