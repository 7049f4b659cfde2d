"""What must hold of a file before a task may trust it: a local file system, WAL, FULL, and the marker table."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.dialects import sqlite as dialect

from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets import marker
from rescind.targets.sqlite import session
from rescind.targets.sqlite.failures import translated

_REGISTER = "A new target is registered with `rescind migrate`."
_MOUNTS = Path("/proc/self/mountinfo")
_FULL = 2  #: SQLite's number for synchronous=FULL

#: File systems on which a lock taken on one machine may not be seen on another.
_NETWORK = frozenset({
    "9p", "afs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs",
})  # fmt: skip


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
        raise TargetUnavailable(f"The SQLite file {path} is not there: is its disk mounted? {_REGISTER}")
    with _connected(path, "rw") as connection:
        make_durable(connection)
        if not _has_marker_table(connection):
            raise TargetUnavailable(f"{path} has no table {marker.NAME}: is it the right file? {_REGISTER}")


def _check_place(path: Path) -> None:
    directory = path.parent
    if not directory.is_dir():
        raise TargetUnavailable(f"The directory {directory} of the SQLite file does not exist.")
    if not os.access(path if path.exists() else directory, os.W_OK):
        raise TargetUnavailable(f"{path} cannot be written by this process.")
    if (kind := file_system(directory)) in _NETWORK:
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
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    connection.execute("PRAGMA synchronous=FULL")
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    if mode != "wal" or synchronous != _FULL:
        raise TargetRefused(f"SQLite keeps journal_mode={mode}, synchronous={synchronous}; WAL and FULL are needed.")


def file_system(directory: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the file system that holds the directory; None where the system does not tell."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    place = directory.resolve()
    found: tuple[int, str] | None = None
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split()[4].encode().decode("unicode_escape"))
        # Of two mounts on one point the later one is what is seen.
        if place.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = (len(point.parts), rest.split()[0])
    return None if found is None else found[1]


def _make_marker_table(connection: sqlite3.Connection) -> None:
    """Without a write lock where the table is there: another task may be writing for hours."""
    if not _has_marker_table(connection):
        connection.executescript("; ".join(("BEGIN IMMEDIATE", *marker.definition(dialect.dialect()), "COMMIT")))


def _has_marker_table(connection: sqlite3.Connection) -> bool:
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({marker.NAME})")}
    if columns and columns != {column.name for column in marker.marker.columns}:
        raise TargetRefused(f"The file has a table {marker.NAME} which is not Rescind's.")
    return bool(columns)
