"""What a table's name stands for, and whether all that a write to it reaches is rolled back with it (PROTOCOL R11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from rescind.domain.schema import hidden
from rescind.errors import NotATable, TargetRefused, UnknownTable
from rescind.targets.postgresql import reach
from rescind.targets.postgresql.sql import quote

Cursor = psycopg.Cursor[Any]

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a type",
    "t": "a system table",
}
_ONLY = "only logged, ordinary tables are written to"
_TABLES = ("r", "p")  #: ordinary and partitioned
_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")

_FIND = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass(%s)
"""

#: The table, its partitions and children, and the tables to which a foreign key hands a change on.
_REACHED = """
WITH RECURSIVE reached(oid) AS (
    SELECT %s::oid
    UNION
    SELECT step.oid FROM reached JOIN (
        SELECT inhparent AS origin, inhrelid AS oid FROM pg_catalog.pg_inherits
        UNION ALL
        SELECT confrelid, conrelid FROM pg_catalog.pg_constraint
        WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
    ) AS step ON step.origin = reached.oid
)
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence::text, c.relhasrules
FROM reached JOIN pg_catalog.pg_class c USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname
"""


@dataclass(frozen=True)
class Relation:
    """What a name stands for: a table or one of the other things that have a table's name."""

    oid: int
    schema: str
    name: str
    kind: str  #: pg_class.relkind

    @property
    def sql(self) -> str:
        """Its name in a statement, whatever the search path."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def is_table(self) -> bool:
        return self.kind in _TABLES and self.schema not in _SYSTEM


def find(cursor: Cursor, parts: Sequence[str]) -> Relation | None:
    """What the search path makes of that name, each part compared exactly; None where there is nothing.

    PostgreSQL itself takes the first 63 bytes of a longer name for it.
    """
    if not all(parts) or any("\0" in part for part in parts):
        return None
    row = cursor.execute(_FIND, [".".join(map(quote, parts))]).fetchone()
    return Relation(*row) if row and row[2] == parts[-1] else None


def require(cursor: Cursor, name: str) -> Relation:
    """The user's table of that name. Raises NotATable, UnknownTable, for Rescind's own and the system's too."""
    found = None if hidden(name) else find(cursor, [name])
    if found is None or found.schema in _SYSTEM:
        raise UnknownTable(f"There is no table {name!r}.")
    if not found.is_table:
        raise NotATable(f"{name!r} is {_KINDS.get(found.kind, 'something else')}, not an ordinary table.")
    return found


def to_be_written(cursor: Cursor, name: str) -> Relation:
    """The user's table of that name, if it may be written to. Raises UnknownTable, TargetRefused."""
    found = None if hidden(name) else find(cursor, [name])
    if found is None or found.schema in _SYSTEM:
        raise UnknownTable(f"There is no table {name!r}.")
    check(cursor, found)
    return found


def check(cursor: Cursor, relation: Relation) -> None:
    """See that all that a write to it reaches is rolled back with it. Raises TargetRefused naming what is not."""
    tables = cursor.execute(_REACHED, [relation.oid]).fetchall()
    for _, schema, name, kind, persistence, has_rules in tables:
        if reason := _refusal(schema, kind, persistence, has_rules):
            reached = "" if (schema, name) == (relation.schema, relation.name) else f", which {relation.name} reaches,"
            raise TargetRefused(f"{schema}.{name}{reached} is {reason}: {_ONLY}.")
    if unsafe := reach.read(cursor).of_tables({oid for oid, *_ in tables}):
        raise TargetRefused(f"Triggers, defaults or functions of {relation.name} reach {unsafe}: {_ONLY}.")


def check_functions(statement: str, known: reach.Reach) -> None:
    """See that what the statement calls is rolled back with it. Raises TargetRefused naming what is not."""
    if unsafe := known.of_statement(statement):
        raise TargetRefused(f"A function that is called here reaches {unsafe}: {_ONLY}.")


def _refusal(schema: str, kind: str, persistence: str, has_rules: bool) -> str | None:
    if schema in _SYSTEM:
        return "the system's own"
    if kind not in _TABLES:
        return _KINDS.get(kind, "no table")
    if persistence != "p":
        return "an unlogged table, which a crash empties" if persistence == "u" else "a temporary table"
    return "a table with rules, which may write anywhere" if has_rules else None
