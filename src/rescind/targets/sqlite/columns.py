"""What a column is. SQLite keeps any text as its declaration, and looks for a few words in it."""

from __future__ import annotations

import re
from typing import Any

from rescind.domain.schema import Column, Limits, Type

_PARENTHESES = re.compile(r"\([^)]*\)")
_NAMED = {
    "BOOLEAN": Type.boolean,
    "BOOL": Type.boolean,
    "DATE": Type.date,
    "TIME": Type.time,
    "TIME WITHOUT TIME ZONE": Type.time,
    "TIMESTAMPTZ": Type.timestamptz,
    "TIMESTAMP WITH TIME ZONE": Type.timestamptz,
    "DATETIME WITH TIME ZONE": Type.timestamptz,
    "JSON": Type.json,
    "JSON TEXT": Type.json,
    "UUID": Type.uuid,
}
_INT64_MAX = 2**63 - 1
_TEXT_WORDS = ("CHAR", "CLOB", "TEXT")
_REAL_WORDS = ("REAL", "FLOA", "DOUB")


def read(row: tuple[Any, ...], alias: bool) -> Column:
    """The column of a row of `PRAGMA table_xinfo`; `alias`: a key of one INTEGER is the rowid."""
    _, name, declared, not_null, default, key, kind = row
    made = bool(key) and alias and declared.upper() == "INTEGER"  # NULL means: the next number
    return Column(
        name=name,
        type=type_of(declared),
        declared=declared,
        # A key is not null to anybody but SQLite, which takes NULL in most keys for the sake of an old mistake.
        nullable=made or not (not_null or key),
        has_default=made or default is not None,
        generated=kind in (2, 3),
        key=key,
        limits=limits_of(declared),
    )


def type_of(declared: str) -> Type:
    """The type that a declaration stands for: SQLite's affinity rules, and the names that it takes for numbers."""
    words = declared.upper()
    base = " ".join(_PARENTHESES.sub(" ", words).split())
    if base in _NAMED:
        return _NAMED[base]
    if base.startswith(("DATETIME", "TIMESTAMP")):
        return Type.timestamp
    if "INT" in words:
        return Type.unsigned if "UNSIGNED" in words else Type.integer
    if _holds(words, _TEXT_WORDS):
        return Type.text
    if "BLOB" in words:
        return Type.binary
    if _holds(words, _REAL_WORDS):
        return Type.real
    return Type.decimal if base.startswith(("NUMERIC", "DECIMAL", "NUMBER")) else Type.text


def limits_of(declared: str) -> Limits:
    """What SQLite cannot keep as it is; lengths and digits in a declaration mean nothing to it."""
    match type_of(declared):
        case Type.unsigned:
            return Limits(high=_INT64_MAX)
        case Type.real:
            return Limits(finite=True)  # NaN would be stored as NULL
        case Type.decimal:
            return Limits(number=True)
        case Type.text | Type.json:
            return Limits(number=_numeric(declared))
        case _:
            return Limits()


def _numeric(declared: str) -> bool:
    """Whether SQLite makes a number of any text that looks like one: it does for words that it does not know."""
    words = declared.upper()
    return bool(words) and not _holds(words, (*_TEXT_WORDS, "BLOB"))


def _holds(words: str, wanted: tuple[str, ...]) -> bool:
    return any(word in words for word in wanted)
