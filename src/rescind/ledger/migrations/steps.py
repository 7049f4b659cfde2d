"""The steps that migrations are made of. Each looks whether it was done already.

MySQL commits every step by itself: a migration that was killed half-way is begun again from its first step.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")

#: Ids and keys are compared byte by byte, as everywhere else; foreign keys and transactions are InnoDB's.
_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def create_table(name: str, *columns: sa.schema.SchemaItem) -> None:
    if not _inspector().has_table(name):
        op.create_table(name, *columns, **_MYSQL)


def create_index(name: str, table: str, columns: list[str]) -> None:
    if name not in _names(_inspector().get_indexes(table)):
        op.create_index(name, table, columns, unique=False)


def add_column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in _names(_inspector().get_columns(table)):
        op.add_column(table, column)


def _names(found: Any) -> set[str]:
    return {each["name"] for each in found}


def _inspector() -> sa.Inspector:
    return sa.inspect(op.get_bind())
