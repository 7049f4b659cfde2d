"""Constraints that SQLite checks at the commit only: foreign keys that are declared deferred."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from rescind.errors import ConstraintViolated
from rescind.targets.sqlite import session

_CHECK = "PRAGMA foreign_key_check"


def check(own: sqlite3.Connection) -> None:
    """Look for rows without a parent that nobody but this transaction sees. Raises ConstraintViolated.

    Rows that were without one before it began are not its fault, and SQLite would let them pass at the commit too.
    """
    inside = Counter(own.execute(_CHECK).fetchall())
    if not inside:
        return
    with closing(_another(own)) as outside:
        inside.subtract(outside.execute(_CHECK).fetchall())
    made = +inside
    if made:
        table, rowid, parent, _ = next(iter(made))
        row = "" if rowid is None else f" (rowid {rowid})"
        raise ConstraintViolated(
            f"The commit would be refused, because {made.total()} foreign keys point nowhere; the first is in "
            f"{table}{row}, whose row in {parent} is missing."
        )


def _another(own: sqlite3.Connection) -> sqlite3.Connection:
    """A connection to the same file, which sees what is committed."""
    path = next(file for _, name, file in own.execute("PRAGMA database_list") if name == "main")
    return sqlite3.connect(session.uri(Path(path), "ro"), uri=True, timeout=session.BUSY_SECONDS, isolation_level=None)
