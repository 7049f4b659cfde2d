"""Replace the row of a key, or insert one: what stands behind an INSERT's rows.

ON DUPLICATE KEY UPDATE changes the row that is met under ANY of the table's unique keys. So each row that is met must
have the key that was named, and otherwise the statement fails: `_OVERFLOW` is reached only then. This also holds for
keys whose columns are not written, are computed, or are set by a trigger.

The server takes a statement's rows one after the other: of rows of one key in it, too, the last one stands. REPLACE
would delete rows, with all that triggers and foreign keys make of that.
"""

from __future__ import annotations

from collections.abc import Sequence

from rescind.errors import ConstraintViolated
from rescind.targets.mysql.sql import quote

_NEW = quote("rescind_new")
_GREATEST = "18446744073709551615"
_OVERFLOW = f"{_GREATEST} + (1 + ISNULL({{}}))"  #: for each row anew: of constants alone it would be reached at once


def clause(table: str, columns: Sequence[str], key: Sequence[str], alias: bool) -> str:
    """`ON DUPLICATE KEY UPDATE`; nothing without a key. `alias`: the new row has a name, as in MySQL.

    MariaDB has VALUES() only, and MySQL warns of each.
    """
    if not key:
        return ""
    new = {name: f"{_NEW}.{quote(name)}" if alias else f"VALUES({quote(name)})" for name in columns}
    there = {name: f"{quote(table)}.{quote(name)}" for name in key}
    met = " AND ".join(f"{there[name]} <=> {new[name]}" for name in key)
    guard = f"{quote(key[0])} = IF(({met}) OR {_OVERFLOW.format(new[key[0]])}, {there[key[0]]}, NULL)"
    assigned = [guard, *(f"{quote(name)} = {new[name]}" for name in columns if name not in key)]
    return f"{f' AS {_NEW}' if alias else ''} ON DUPLICATE KEY UPDATE {', '.join(assigned)}"


def met_another(error: ConstraintViolated) -> bool:
    """Whether it says that the row which is there has another key; in words for a server, so others must be found."""
    return _GREATEST in str(error)
