"""SQL that MySQL and MariaDB understand: names, values and declarations."""

from __future__ import annotations

import re

from rescind.domain.branch import BranchId
from rescind.domain.schema import Column, Table, Type, hidden
from rescind.errors import TargetRefused
from rescind.targets import indexes
from rescind.targets.capabilities import NameLimit

KEY_CHARACTERS = 191  #: of a text in a key or index that says no length: four such columns fit into an index
_MOST_INDEXED = 16  #: columns of an index

#: By whether it is MariaDB: keys are the same only if their bytes are. To utf8mb4_bin 'a' is 'a ' too: of two such
#: keys in a file one row would be left.
_AS_WRITTEN = {True: "utf8mb4_nopad_bin", False: "utf8mb4_0900_bin"}

_DECLARED = {
    Type.integer: "BIGINT",
    Type.unsigned: "BIGINT UNSIGNED",
    Type.real: "DOUBLE",
    Type.decimal: "DECIMAL(65,30)",
    Type.boolean: "BOOLEAN",
    Type.date: "DATE",
    Type.time: "TIME(6)",
    Type.timestamp: "DATETIME(6)",
    Type.timestamptz: "TIMESTAMP(6)",
    Type.text: "LONGTEXT",
    Type.binary: "LONGBLOB",
    Type.json: "JSON",
    Type.uuid: "CHAR(36) CHARACTER SET ascii",
}
_DECLARATION = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\([0-9 ,]+\))?[A-Za-z0-9_ ]*")
LONGEST_NAME = NameLimit(64, "characters")


def quote(name: str) -> str:
    """The name as an identifier, whatever characters it holds."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """The text as a string."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def create_table(table: Table, branch: BranchId, maria: bool, has_uuid: bool) -> str:
    """The statement that makes the table with its indexes and notes who made it. MySQL chooses the indexes' names.

    `maria`: in MariaDB's words and not in MySQL's; `has_uuid`: it has a type for those.
    Raises TargetRefused for a name or type that cannot be had.
    """
    for name in (table.name, *(column.name for column in table.columns)):
        _check_name(name)
    if hidden(table.name):
        raise TargetRefused(f"A table cannot be called {table.name!r}.")
    indexes.check(table, "MySQL", _MOST_INDEXED)
    parts = [_column(table, column, maria, has_uuid) for column in table.columns]
    if table.key:
        parts.append(f"PRIMARY KEY ({', '.join(quote(column.name) for column in table.key)})")
    parts += [f"INDEX ({', '.join(map(quote, columns))})" for columns in table.indexes]
    options = f"ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC COMMENT={literal(str(branch))}"
    return f"CREATE TABLE {quote(table.name)} ({', '.join(parts)}) {options}"


def _check_name(name: str) -> None:
    if not name or not LONGEST_NAME.takes(name) or name != name.rstrip(" ") or "\0" in name or max(name) > "\uffff":
        rule = f"it has 1 to {LONGEST_NAME.most} characters, no blank at its end, no NUL and none beyond U+FFFF"
        raise TargetRefused(f"{name!r} cannot be the name of a table or column: {rule}.")


def _column(table: Table, column: Column, maria: bool, has_uuid: bool) -> str:
    if column == table.identity:
        return f"{quote(column.name)} BIGINT NOT NULL AUTO_INCREMENT"
    if column.declared and not _DECLARATION.fullmatch(column.declared):
        raise TargetRefused(f"Column {column.name!r} cannot be declared as {column.declared!r}.")
    indexed = bool(column.key) or any(column.name in columns for columns in table.indexes)
    declared = column.declared or _declared(column, maria, has_uuid, indexed)
    # Said in full: an old server gives a TIMESTAMP that says nothing the time of each change.
    return f"{quote(column.name)} {declared} {'NULL' if column.nullable and not column.key else 'NOT NULL'}"


def _declared(column: Column, maria: bool, has_uuid: bool, indexed: bool) -> str:
    limits = column.limits
    if column.type is Type.uuid and has_uuid:
        return "UUID"
    if column.type is Type.text and (indexed or limits.characters is not None):
        characters = limits.characters or KEY_CHARACTERS
        binary = f" CHARACTER SET utf8mb4 COLLATE {_AS_WRITTEN[maria]}" if column.key else ""
        return f"VARCHAR({characters}){binary}"
    if column.type is Type.binary and indexed:
        return f"VARBINARY({limits.bytes or KEY_CHARACTERS})"
    if column.type is Type.decimal and limits.precision is not None:
        return f"DECIMAL({limits.precision},{limits.scale or 0})"
    return _DECLARED[column.type]
