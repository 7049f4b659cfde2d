"""Whether everything that a write or a statement reaches can be rolled back (PROTOCOL R11).

A MyISAM row survives a rollback without an error. What triggers, routines and views do is text, and is not parsed: one
that has the name of a table that cannot be rolled back, or of another such text, is taken to write to it. Looked at is
what the user may see: a trigger of somebody else may reach, with his rights, what nobody else is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from rescind.domain.schema import hidden
from rescind.errors import TargetRefused, UnknownTable
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.session import run
from rescind.targets.statements import functions_called

Name = tuple[str, str]  #: schema and table

_SYSTEM = "('information_schema', 'performance_schema', 'mysql', 'sys')"
_TABLE = """SELECT table_schema, table_name, table_type, engine FROM information_schema.tables
    WHERE table_schema = %s AND table_name = %s"""
_UNSAFE = """SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys')
    AND table_type <> 'VIEW' AND (engine IS NULL OR engine <> 'InnoDB')"""
_TRIGGERED = """SELECT trigger_name FROM information_schema.triggers
    WHERE event_object_schema = %s AND event_object_table = %s"""
_REFERRING = """SELECT DISTINCT table_schema, table_name FROM information_schema.key_column_usage
    WHERE referenced_table_schema = %s AND referenced_table_name = %s"""
_FUNCTION = f"""SELECT 1 FROM information_schema.routines
    WHERE routine_type = 'FUNCTION' AND routine_schema NOT IN {_SYSTEM} LIMIT 1"""
_WORD = re.compile(r"[\w$]+")
_TABLES = ("BASE TABLE", "SYSTEM VERSIONED")

_GRANT = re.compile(r"(GRANT|REVOKE) (.+?) ON (\*|`(?:[^`]|``)+`)\.(\*|`(?:[^`]|``)+`) (?:TO|FROM) ", re.IGNORECASE)
_RIGHT = re.compile(r"\b(ALL PRIVILEGES|TRIGGER)\b", re.IGNORECASE)


_ROUTINE = f"""SELECT routine_schema, routine_name, routine_definition FROM information_schema.routines
    WHERE routine_schema NOT IN {_SYSTEM} AND routine_type = """
_SHOW_ROUTINE = (
    "GRANT SHOW_ROUTINE (MySQL), SHOW CREATE ROUTINE (MariaDB from 11.3 on) or SELECT ON mysql.proc (before)"
)


class _Kind(Enum):
    """What a text is: how those are asked for, and the right to see them."""

    function = f"{_ROUTINE} 'FUNCTION'", _SHOW_ROUTINE
    procedure = f"{_ROUTINE} 'PROCEDURE'", _SHOW_ROUTINE
    view = (
        f"""SELECT table_schema, table_name, view_definition FROM information_schema.views
        WHERE table_schema NOT IN {_SYSTEM}""",
        "GRANT SHOW VIEW",
    )
    trigger = (
        "SELECT event_object_schema, event_object_table, action_statement FROM information_schema.triggers",
        "GRANT TRIGGER",
    )


@dataclass(frozen=True)
class _Text:
    """What runs where `name` stands: a trigger where its table does."""

    kind: _Kind
    schema: str
    name: str
    text: str | None  #: None, or empty, where the user may not see it


class Reach:
    """What a session's statements reach, found out once: the texts are many, and a task's statements too."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._checked: set[Name] = set()
        self._grants: list[str] | None = None
        self._unsafe: dict[_Text, str] | None = None
        self._has_functions: bool | None = None

    def check_table(self, schema: str, table: str) -> None:
        """Before a write to it. Raises TargetRefused naming what cannot be rolled back, UnknownTable."""
        waiting: list[Name] = [(schema, table)]
        seen: set[Name] = set()
        while waiting:
            name = waiting.pop()
            if name not in self._checked | seen:
                self._check_one(name, first=not seen)
                self._check_triggers(name)
                seen.add(name)
                waiting += _referring(self._connection, name)
        self._checked |= seen

    def check_statement(self, schema: str, statement: str) -> None:
        """Before it runs, in that schema: a function that it calls, or a view that it reads, may write by itself.

        Raises TargetRefused.
        """
        if self._has_functions is None:
            self._has_functions = bool(run(self._connection, _FUNCTION))
        if not self._has_functions:
            return
        run_by_statements = (_Kind.function, _Kind.view)
        unsafe = {text: reason for text, reason in self._unsafe_texts().items() if text.kind in run_by_statements}
        if not unsafe:
            return
        words, called = _words(schema, statement), functions_called(statement, "mysql")
        for text, reason in unsafe.items():
            named = text.kind is _Kind.view or text.name.lower() in called
            if named and _words(text.schema, text.name) <= words:
                raise TargetRefused(f"The statement runs {text.schema}.{text.name}, {reason}.")

    def _check_one(self, name: Name, *, first: bool) -> None:
        found = [row for row in run(self._connection, _TABLE, *name) if row[1] == name[1] or not first]
        if not found or hidden(name[1]):
            raise UnknownTable(f"There is no table {name[1]!r}.")
        _, _, kind, engine = found[0]
        if kind not in _TABLES:
            raise TargetRefused(f"{name[1]} is a {kind.lower()}: a task writes to tables only.")
        if engine != "InnoDB":
            raise TargetRefused(
                f"Table {'.'.join(name)} has the engine {engine}, whose rows no rollback takes back. "
                f"Cure: ALTER TABLE {name[1]} ENGINE=InnoDB."
            )

    def _check_triggers(self, name: Name) -> None:
        if not self._may_see_triggers(name):
            raise TargetRefused(
                f"The user may not see whether table {'.'.join(name)} has triggers, and what they do. "
                f"Cure: GRANT TRIGGER ON {name[0]}.* TO the user."
            )
        triggers = ", ".join(trigger for (trigger,) in run(self._connection, _TRIGGERED, *name))
        if not triggers:
            return
        for text, reason in self._unsafe_texts().items():
            if text.kind is _Kind.trigger and (text.schema, text.name) == name:
                raise TargetRefused(f"Table {'.'.join(name)} has triggers ({triggers}), {reason}.")

    def _may_see_triggers(self, name: Name) -> bool:
        """Whether the user has the right TRIGGER there, by itself, a role or PUBLIC: others are shown none."""
        if self._grants is None:
            self._grants = [str(row[0]) for row in run(self._connection, "SHOW GRANTS")]
        found = {match[1].upper() for grant in self._grants if (match := _GRANT.match(grant)) and _covers(match, name)}
        return found == {"GRANT"}

    def _unsafe_texts(self) -> dict[_Text, str]:
        if self._unsafe is None:
            texts = [_Text(kind, *row) for kind in _Kind for row in run(self._connection, kind.value[0])]
            self._unsafe = _unsafe(texts, [(schema, table) for schema, table in run(self._connection, _UNSAFE)])
        return self._unsafe


def _covers(grant: re.Match[str], name: Name) -> bool:
    """Whether a line of SHOW GRANTS is about the right TRIGGER on that table."""
    schema, table = (part.strip("`").replace("``", "`") for part in (grant[3], grant[4]))
    place = schema == "*" or re.fullmatch(_pattern(schema), name[0], re.IGNORECASE | re.DOTALL) is not None
    return bool(place and table in ("*", name[1]) and _RIGHT.search(grant[2]))


def _pattern(like: str) -> str:
    r"""A name of schemas as rights are given for: `%` and `_` stand for others, `\_` for itself."""
    parts = re.findall(r"\\.|.", like, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)


def _referring(connection: Connection, name: Name) -> Iterator[Name]:
    """Tables whose foreign keys point here: ON DELETE and ON UPDATE reach into them."""
    return ((schema, table) for schema, table in run(connection, _REFERRING, *name))


def _unsafe(texts: list[_Text], tables: list[Name]) -> dict[_Text, str]:
    """Those of the texts that reach one of the tables, or may: by themselves, or by another that does; and why."""
    reached = {_words(*table): f"which reaches {'.'.join(table)}, which no rollback takes back" for table in tables}
    unsafe: dict[_Text, str] = {}
    for text in texts:
        if not text.text:
            unsafe[text] = f"whose text the user may not see. Cure: {text.kind.value[1]}"
            reached[_words(text.schema, text.name)] = f"which reaches {text.schema}.{text.name}, {unsafe[text]}"
    words = {text: _words(text.schema, text.text) for text in texts if text.text}
    while found := {text: why for text in words.keys() - unsafe.keys() if (why := _why(words[text], reached))}:
        unsafe |= found
        reached |= {_words(text.schema, text.name): why for text, why in found.items()}
    return unsafe


def _why(words: frozenset[str], reached: dict[frozenset[str], str]) -> str | None:
    return next((why for name, why in reached.items() if name <= words), None)


def _words(schema: str, text: str) -> frozenset[str]:
    """All words of a text that runs in that schema, in lower case: names without a schema mean that one."""
    return frozenset(word.lower() for word in _WORD.findall(f"{schema} {text}"))
