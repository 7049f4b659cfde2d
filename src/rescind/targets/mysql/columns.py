"""MySQL's types of columns as ours, with what each cannot hold.

TINYINT(1) is BOOLEAN's only name in MySQL and is a boolean here; a value in it that is neither 0 nor 1 is read as
text. FLOAT(M,D) and DOUBLE(M,D) round to D digits and are decimals. Geometries are MySQL's own bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rescind.domain.schema import CALENDAR_DAYS, CALENDAR_MICROSECONDS, Column, Limits, Type

_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BINARIES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_LONGEST_BYTES = 2**31 - 1  #: of a value in one of Arrow's batches: longer ones do not arrive
_UNIX_SECONDS = (1, 2**31 - 1)  #: of a TIMESTAMP
_UNIX_SECONDS_LONG = (1, 2**32 - 1)  #: of MariaDB's from 11.5 on
_MICROSECONDS = 1_000_000
_DAY = 86_400 * _MICROSECONDS

#: Character sets with as many bytes in UTF-8 as in MySQL.
_UTF8 = {"utf8mb4": None, "utf8mb3": "utf8mb3", "utf8": "utf8mb3", "ascii": "ascii"}
_CODECS = _UTF8 | {"latin1": "cp1252", "latin2": "iso8859_2", "cp1250": "cp1250", "cp1251": "cp1251", "koi8r": "koi8_r"}

_SHAPES = frozenset({
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
})  # fmt: skip

_LABEL = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Described:
    """A row of information_schema.columns, its words in lower case but for `declared` and `charset`'s absence."""

    name: str
    data_type: str
    declared: str
    nullable: bool
    default: str | None
    extra: str
    characters: int | None
    octets: int | None
    precision: int | None
    scale: int | None
    fraction: int | None
    charset: str | None
    generation: str | None
    key: int
    json: bool  #: MariaDB's JSON is a LONGTEXT with a check
    long_timestamps: bool


def column(found: Described) -> Column:
    """The column as the rest of Rescind knows it."""
    kind, limits = _type(found)
    made = "auto_increment" in found.extra
    generated = bool(found.generation) or "generated" in found.extra.replace("default_generated", "")
    no_default = found.default is None or found.default == "NULL"
    return Column(
        name=found.name,
        type=kind,
        declared=found.declared,
        nullable=found.nullable or made,  # NULL stands for the next number
        has_default=made or found.nullable or not no_default or "default_generated" in found.extra,
        generated=generated,
        key=found.key,
        limits=limits,
    )


def exact(found: Column) -> int | None:
    """How many bytes each value of a BINARY(n) has: the server would fill up a shorter one. None for other columns."""
    size = re.fullmatch(r"binary\((\d+)\)", found.declared)
    return int(size[1]) if size else None


def labels_of_set(found: Column) -> tuple[str, ...] | None:
    """A SET's labels, of which the server keeps each once and in this order. None for other columns."""
    return _labels(found.declared) if found.declared.startswith("set(") else None


def loses_spaces(found: Column) -> bool:
    """Whether the server cuts spaces off the end of its texts."""
    return found.declared.startswith("char(") and found.type is Type.text


def _type(found: Described) -> tuple[Type, Limits]:
    word = found.data_type
    if word in _INTEGERS:
        return _integer(found)
    if word == "bit":
        bits = found.precision or 1
        return (Type.boolean, Limits()) if bits == 1 else (Type.unsigned, Limits(high=2**bits - 1))
    if word in ("decimal", "float", "double"):
        return _number(found)
    if word in _TEXTS:
        return Type.json if found.json else Type.text, _text(found)
    if word in _BINARIES:
        return Type.binary, Limits(bytes=min(found.octets or 0, _LONGEST_BYTES))
    return _other(found)


def _integer(found: Described) -> tuple[Type, Limits]:
    bits, unsigned = _INTEGERS[found.data_type], "unsigned" in found.declared
    if found.declared == "tinyint(1)":
        return Type.boolean, Limits()
    if unsigned:
        return (Type.unsigned, Limits()) if bits == 64 else (Type.integer, Limits(low=0, high=2**bits - 1))
    return Type.integer, Limits() if bits == 64 else Limits(low=-(2 ** (bits - 1)), high=2 ** (bits - 1) - 1)


def _number(found: Described) -> tuple[Type, Limits]:
    if found.data_type == "decimal" or found.scale is not None:
        return Type.decimal, Limits(precision=found.precision, scale=found.scale or 0, finite=True)
    return Type.real, Limits(single=found.data_type == "float", finite=True)


def _text(found: Described) -> Limits:
    """VARCHAR counts characters, TEXT bytes in its own character set."""
    charset = found.charset or "utf8mb4"
    codec = _CODECS.get(charset)
    if found.data_type in ("char", "varchar"):
        return Limits(characters=found.characters, codec=codec)
    if charset in _UTF8:
        return Limits(bytes=min(found.octets or 0, _LONGEST_BYTES), codec=codec)
    # In other sets the bytes are not those of UTF-8; what does not fit is then noticed by the server.
    return Limits(characters=min(found.octets or 0, _LONGEST_BYTES), codec=codec)


def _other(found: Described) -> tuple[Type, Limits]:
    match found.data_type:
        case "date":
            return Type.date, Limits(low=CALENDAR_DAYS[0], high=CALENDAR_DAYS[1])
        case "time":
            return Type.time, Limits(low=0, high=_DAY - 1, scale=found.fraction)
        case "datetime":
            low, high = CALENDAR_MICROSECONDS
            return Type.timestamp, Limits(low=low, high=high, scale=found.fraction)
        case "timestamp":
            low, high = _UNIX_SECONDS_LONG if found.long_timestamps else _UNIX_SECONDS
            return Type.timestamptz, Limits(low * _MICROSECONDS, (high + 1) * _MICROSECONDS - 1, scale=found.fraction)
        case "year":
            return Type.integer, Limits(low=1901, high=2155)
        case "enum":
            return Type.text, Limits(values=_labels(found.declared))
        case "json" | "uuid":  # json: MySQL only: not reached on MariaDB
            return Type(found.data_type), Limits()
        case word:
            return Type.binary if word in _SHAPES else Type.text, Limits()


def _labels(declared: str) -> tuple[str, ...]:
    return tuple(label.replace("''", "'") for label in _LABEL.findall(declared))
