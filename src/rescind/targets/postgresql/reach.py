"""What triggers, functions, defaults, views and rules may write to (PROTOCOL R11).

What they do is text, and is not parsed: one that has the name of a table that a crash or a rollback does not treat as
it must, or of another one whose text has, is taken to write to it. What is put together while it runs (EXECUTE), or
is written in C, is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

_WORD = re.compile(r"[\w$]+")

_UNSAFE = """
SELECT n.nspname, c.relname, c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND (c.relkind = 'f' OR c.relkind IN ('r', 'p') AND c.relpersistence = 'u')
ORDER BY 1, 2
"""

#: The table that it belongs to (none: what calls it has its name), the name under which it is found, and its text.
_TEXTS = """
SELECT NULL::oid, p.proname, pg_catalog.pg_get_functiondef(p.oid)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT c.oid, c.relname, found.text FROM pg_catalog.pg_class c JOIN (
    SELECT t.tgrelid AS oid, p.proname || ' ' || encode(t.tgargs, 'escape') AS text
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    UNION ALL
    SELECT adrelid, pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef
    UNION ALL
    SELECT ev_class, pg_catalog.pg_get_ruledef(oid) FROM pg_catalog.pg_rewrite
    UNION ALL
    SELECT inhparent, inhrelid::regclass::text FROM pg_catalog.pg_inherits
    UNION ALL
    SELECT confrelid, conrelid::regclass::text FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
) AS found ON found.oid = c.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def words(text: str) -> frozenset[str]:
    """Its words in lower case, as names are compared here: of two that differ in case only both are meant."""
    return frozenset(_WORD.findall(text.lower())) or frozenset({text.lower()})


@dataclass(frozen=True)
class Text:
    """What is done where its name is called, or its table written to."""

    table: int | None  #: the table's oid
    name: frozenset[str]
    words: frozenset[str]


@dataclass(frozen=True)
class Reach:
    """A database's unsafe tables with what they are, and the texts that may lead to them."""

    unsafe: tuple[tuple[frozenset[str], str], ...]
    texts: tuple[Text, ...]

    def of_tables(self, oids: Collection[int]) -> str | None:
        """What a write to those tables may reach and must not; None where it is nothing."""
        return self._reached(text for text in self.texts if text.table in oids)

    def of_statement(self, statement: str) -> str | None:
        """What the functions that it calls may reach and must not."""
        called = words(statement)
        return self._reached(text for text in self.texts if text.table is None and text.name <= called)

    def _reached(self, first: Iterable[Text]) -> str | None:
        found: frozenset[str] = frozenset()
        texts, waiting = list(self.texts), list(first)
        while waiting:
            found = found.union(*(text.words for text in waiting))
            texts = [text for text in texts if text not in waiting]
            waiting = [text for text in texts if text.name <= found]
        return next((what for name, what in self.unsafe if name <= found), None)


def read(cursor: psycopg.Cursor[Any]) -> Reach:
    """As the database is now; the texts only where there is something that they must not reach."""
    kinds = {"f": "a foreign table"}
    unsafe = tuple(
        (words(name), f"{schema}.{name}, {kinds.get(kind, 'an unlogged table')}")
        for schema, name, kind in cursor.execute(_UNSAFE).fetchall()
    )
    if not unsafe:
        return Reach((), ())
    return Reach(unsafe, tuple(Text(oid, words(name), words(text or "")) for oid, name, text in cursor.execute(_TEXTS)))
