"""The columns of a table: PostgreSQL's types as Rescind's, with what each cannot hold."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any

import psycopg

from rescind.domain.schema import CALENDAR_DAYS, CALENDAR_MICROSECONDS, Column, Limits, Type
from rescind.targets.postgresql.relations import Cursor

#: A domain is followed to the type that it is made of; its own limit counts, and so does NOT NULL on the way.
_COLUMNS = """
WITH RECURSIVE base(attnum, oid, typmod, required, has_default) AS (
    SELECT attnum, atttypid, atttypmod, attnotnull, false FROM pg_catalog.pg_attribute
    WHERE attrelid = %(table)s AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT b.attnum, t.typbasetype, t.typtypmod, b.required OR t.typnotnull, b.has_default OR t.typdefault IS NOT NULL
    FROM base b JOIN pg_catalog.pg_type t USING (oid) WHERE t.typtype = 'd'
)
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), n.nspname || '.' || t.typname, b.typmod,
    b.required, a.atthasdef OR a.attidentity <> '' OR b.has_default, a.attgenerated <> '', coalesce(k.position, 0),
    (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_catalog.pg_enum WHERE enumtypid = t.oid)
FROM pg_catalog.pg_attribute a
JOIN base b USING (attnum)
JOIN pg_catalog.pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN (
    SELECT attnum, position FROM pg_catalog.pg_index, unnest(indkey) WITH ORDINALITY AS part(attnum, position)
    WHERE indrelid = %(table)s AND indisprimary AND position <= indnkeyatts
) k USING (attnum)
WHERE a.attrelid = %(table)s
ORDER BY attnum
"""

_HEADER = 4  #: what a length modifier counts beside the characters

PADDED = "pg_catalog.bpchar"


def read(cursor: Cursor, table: int) -> list[tuple[Column, str]]:
    """The columns of the table of that oid, each with the qualified name of its type."""
    codec = _codec(cursor.connection)
    return [(_column(row, codec), row[2]) for row in cursor.execute(_COLUMNS, {"table": table}).fetchall()]


def _column(row: tuple[Any, ...], codec: str | None) -> Column:
    name, declared, base, modifier, required, has_default, generated, key, labels = row
    kind, limits = type_of(base, modifier, tuple(labels) if labels else None, codec)
    return Column(name, kind, declared, not required, has_default and not generated, generated, key, limits)


def type_of(base: str, modifier: int, labels: tuple[str, ...] | None, codec: str | None) -> tuple[Type, Limits]:
    """Rescind's type for a type with its modifier (-1: none); what has none travels as text, as PostgreSQL spells it.

    `codec` is the only encoding that the database's text can be in; None: every character goes in.
    """
    make = _TYPES.get(base)
    if make is not None:
        return make(modifier, codec)
    return Type.text, Limits(values=labels, codec=codec, nul=False)


def _whole(kind: Type, low: int | None = None, high: int | None = None) -> Callable[..., tuple[Type, Limits]]:
    return lambda modifier, codec: (kind, Limits(low=low, high=high))


def _plain(kind: Type, limits: Limits) -> Callable[..., tuple[Type, Limits]]:
    return lambda modifier, codec: (kind, limits)


def _decimal(modifier: int, codec: str | None) -> tuple[Type, Limits]:
    if modifier < _HEADER:
        return Type.decimal, Limits()
    digits = modifier - _HEADER
    scale = (digits & 0x7FF ^ 0x400) - 0x400  # 11 bits, signed since PostgreSQL 15
    return Type.decimal, Limits(precision=digits >> 16 & 0xFFFF, scale=scale)


def _text(modifier: int, codec: str | None) -> tuple[Type, Limits]:
    characters = modifier - _HEADER if modifier >= _HEADER else None
    return Type.text, Limits(characters=characters, codec=codec, nul=False)


def _short(size: int) -> Callable[..., tuple[Type, Limits]]:
    return lambda modifier, codec: (Type.text, Limits(bytes=size, codec=codec, nul=False))


def _moment(kind: Type) -> Callable[..., tuple[Type, Limits]]:
    low, high = (None, None) if kind is Type.time else CALENDAR_MICROSECONDS
    return lambda modifier, codec: (kind, Limits(low, high, scale=modifier if modifier >= 0 else None))


def _json(nul: bool) -> Callable[..., tuple[Type, Limits]]:
    return lambda modifier, codec: (Type.json, Limits(codec=codec, nul=nul))


_TYPES: dict[str, Callable[..., tuple[Type, Limits]]] = {
    f"pg_catalog.{name}": make
    for name, make in {
        "int2": _whole(Type.integer, -(2**15), 2**15 - 1),
        "int4": _whole(Type.integer, -(2**31), 2**31 - 1),
        "int8": _whole(Type.integer),
        "oid": _whole(Type.integer, 0, 2**32 - 1),
        "numeric": _decimal,
        "float4": _plain(Type.real, Limits(single=True)),
        "float8": _plain(Type.real, Limits()),
        "bool": _plain(Type.boolean, Limits()),
        "date": _plain(Type.date, Limits(low=CALENDAR_DAYS[0], high=CALENDAR_DAYS[1])),
        "time": _moment(Type.time),
        "timestamp": _moment(Type.timestamp),
        "timestamptz": _moment(Type.timestamptz),
        "text": _text,
        "varchar": _text,
        "bpchar": _text,
        "name": _short(63),  # a longer one is cut off without a word
        "char": _short(1),
        "bytea": _plain(Type.binary, Limits()),
        "json": _json(nul=True),
        "jsonb": _json(nul=False),
        "uuid": _plain(Type.uuid, Limits()),
    }.items()
}


def _codec(connection: psycopg.Connection[Any]) -> str | None:
    """Python's name of the database's encoding; None for UTF-8, and where Python has none: the server looks itself."""
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    name = f"cp{encoding[3:]}" if encoding.startswith("WIN") else {"UHC": "cp949", "KOI8R": "koi8_r"}.get(encoding)
    try:
        found = codecs.lookup(name or encoding).name
    except LookupError:
        return None
    return None if found == "utf-8" else found
