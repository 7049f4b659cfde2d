"""Replace the row of a key, or insert one: what stands behind an INSERT's rows.

SQLite takes a statement's rows one after the other: of rows of one key in it, too, the last one stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from rescind.targets.sqlite.sql import quote


def clause(columns: Sequence[str], key: Sequence[str]) -> str:
    """`ON CONFLICT`, of that key alone; nothing without one."""
    if not key:
        return ""
    # Where only the key is written its row is set to what it is, and so counted like any other.
    assigned = [f"{quote(name)} = excluded.{quote(name)}" for name in columns if name not in key]
    kept = [f"{quote(name)} = {quote(name)}" for name in key[:1]]
    return f" ON CONFLICT ({', '.join(map(quote, key))}) DO UPDATE SET {', '.join(assigned or kept)}"
