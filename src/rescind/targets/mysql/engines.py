"""Whether everything that a write to a table reaches can be rolled back (PROTOCOL R11).

A MyISAM row survives a rollback without an error. What triggers do is text, and is not parsed: a trigger that has the
name of a table that cannot be rolled back, or of a routine whose text has, is taken to write to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rescind.domain.schema import hidden
from rescind.errors import TargetRefused, UnknownTable
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.session import run

Name = tuple[str, str]  #: schema and table

_TABLE = """SELECT table_schema, table_name, table_type, engine FROM information_schema.tables
    WHERE table_schema = %s AND table_name = %s"""
_UNSAFE = """SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys')
    AND (table_type = 'VIEW' OR engine IS NULL OR engine <> 'InnoDB')"""
_TRIGGERS = """SELECT trigger_name, action_statement FROM information_schema.triggers
    WHERE event_object_schema = %s AND event_object_table = %s"""
_REFERRING = """SELECT DISTINCT table_schema, table_name FROM information_schema.key_column_usage
    WHERE referenced_table_schema = %s AND referenced_table_name = %s"""
_ROUTINES = "SELECT routine_name, routine_definition FROM information_schema.routines"
_SHOW = "GRANT SHOW_ROUTINE (MySQL), SHOW CREATE ROUTINE (MariaDB from 11.3 on) or SELECT ON mysql.proc (before)"
_WORD = re.compile(r"[\w$]+")
_KINDS = ("BASE TABLE", "SYSTEM VERSIONED")


def check(connection: Connection, schema: str, table: str) -> None:
    """Raises TargetRefused naming what cannot be rolled back, UnknownTable."""
    seen: set[Name] = set()
    waiting: list[Name] = [(schema, table)]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            _check_one(connection, name, first=len(seen) == 1)
            waiting += _referring(connection, name)
            _check_triggers(connection, name)


def _check_one(connection: Connection, name: Name, *, first: bool) -> None:
    found = [row for row in run(connection, _TABLE, *name) if row[1] == name[1] or not first]
    if not found or hidden(name[1]):
        raise UnknownTable(f"There is no table {name[1]!r}.")
    _, _, kind, engine = found[0]
    if kind not in _KINDS:
        raise TargetRefused(f"{name[1]} is a {kind.lower()}: a task writes to tables only.")
    if engine != "InnoDB":
        raise TargetRefused(
            f"Table {'.'.join(name)} has the engine {engine}, whose rows no rollback takes back. "
            f"Cure: ALTER TABLE {name[1]} ENGINE=InnoDB."
        )


def _referring(connection: Connection, name: Name) -> Iterator[Name]:
    """Tables whose foreign keys point here: ON DELETE and ON UPDATE reach into them."""
    return ((schema, table) for schema, table in run(connection, _REFERRING, *name))


def _check_triggers(connection: Connection, name: Name) -> None:
    triggers = run(connection, _TRIGGERS, *name)
    if not triggers:
        return
    words = _closure(connection, {word for _, text in triggers for word in _WORD.findall(text)})
    for schema, table in run(connection, _UNSAFE):
        if table.lower() in words:
            names = ", ".join(trigger for trigger, _ in triggers)
            raise TargetRefused(
                f"Table {name[1]} has triggers ({names}) that reach {schema}.{table}, which no rollback takes back."
            )


def _closure(connection: Connection, words: set[str]) -> set[str]:
    """The words in lower case, with those of every routine whose name is among them."""
    found = {word.lower() for word in words}
    routines = {name.lower(): text for name, text in run(connection, _ROUTINES)}
    waiting = found & routines.keys()
    while waiting:
        name = waiting.pop()
        text = routines.pop(name)
        if text is None:
            raise TargetRefused(f"A trigger calls {name}, whose text the user may not see. Cure: {_SHOW}.")
        found |= {word.lower() for word in _WORD.findall(text)}
        waiting = found & routines.keys()
    return found
