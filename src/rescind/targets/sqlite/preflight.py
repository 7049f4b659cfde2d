"""What must hold of a file before a task may trust it: a local file system, WAL, FULL, and the marker table."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.dialects import sqlite as dialect

from rescind import durability
from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets import marker
from rescind.targets.sqlite import session
from rescind.targets.sqlite.failures import translated


def set_up(path: Path) -> None:
    """Make the file and its marker table if they are missing. Raises TargetRefused, TargetUnavailable, TargetBusy."""
    _check_place(path)
    with _connected(path, "rwc") as connection:
        make_durable(connection)
        _make_marker_table(connection)


def check(path: Path) -> None:
    """Look at what `set_up` made, and make nothing. Raises TargetRefused, TargetUnavailable, TargetBusy."""
    _check_place(path)
    if not path.exists():
        raise TargetUnavailable(f"The SQLite file {path} is not there: is its disk mounted? {marker.REGISTER}")
    with _connected(path, "rw") as connection:
        make_durable(connection)
        if not _has_marker_table(connection):
            raise TargetUnavailable(f"{path} has no table {marker.NAME}: is it the right file? {marker.REGISTER}")


def _check_place(path: Path) -> None:
    directory = path.parent
    if not directory.is_dir():
        raise TargetUnavailable(f"The directory {directory} of the SQLite file does not exist.")
    if not os.access(path if path.exists() else directory, os.W_OK):
        raise TargetUnavailable(f"{path} cannot be written by this process.")
    if (kind := durability.file_system(directory)) in durability.NETWORK:
        raise TargetRefused(f"{path} lies on a network file system ({kind}), where SQLite's locks cannot be trusted.")


@contextmanager
def _connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    with translated():
        address = session.uri(path, mode)
        with closing(
            sqlite3.connect(address, uri=True, timeout=session.BUSY_SECONDS, isolation_level=None)
        ) as connection:
            yield connection


def make_durable(connection: sqlite3.Connection) -> None:
    """WAL and FULL, and look whether they took (PROTOCOL R10). Raises TargetRefused."""
    for setting in durability.SQLITE:
        connection.execute(f"PRAGMA {setting.name}={setting.value}").fetchone()
    found = {setting.name: _one(connection, f"PRAGMA {setting.name}") for setting in durability.SQLITE}
    if reason := durability.complaint(durability.SQLITE, found):
        raise TargetRefused(f"SQLite does as it likes: {reason}.")


def _one(connection: sqlite3.Connection, statement: str) -> object:
    return connection.execute(statement).fetchone()[0]


def _make_marker_table(connection: sqlite3.Connection) -> None:
    """Without a write lock where the table is there: another task may be writing for hours."""
    if not _has_marker_table(connection):
        connection.executescript("; ".join(("BEGIN IMMEDIATE", *marker.definition(dialect.dialect()), "COMMIT")))


def _has_marker_table(connection: sqlite3.Connection) -> bool:
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({marker.NAME})")}
    if columns and columns != {column.name for column in marker.marker.columns}:
        raise TargetRefused(f"The file has a table {marker.NAME} which is not Rescind's.")
    return bool(columns)
