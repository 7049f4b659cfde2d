"""What must hold of a server before a task may trust it: durable, writable, reached directly, with a marker table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from rescind import durability
from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets import marker
from rescind.targets.postgresql import relations, session
from rescind.targets.postgresql.failures import TAKEN
from rescind.targets.postgresql.relations import Cursor

OLDEST = 130_000  #: server_version_num; it has pg_current_xact_id()
_RIGHTS = ("SELECT", "INSERT", "DELETE")

_DIALECT: Any = PGDialect_psycopg  # its __init__ has no type hints
_CREATE = "; ".join(marker.definition(_DIALECT()))  # sent as one, which is one transaction

_FACTS = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
    current_setting('max_prepared_transactions')::int, current_setting('server_encoding'), pg_is_in_recovery(),
    current_setting('default_transaction_read_only')::boolean, pg_backend_pid()
"""
_SETTINGS = "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY (%s)"


@dataclass(frozen=True)
class Facts:
    """What the server says of itself."""

    version: str
    version_number: int
    most_prepared: int
    encoding: str
    recovering: bool
    read_only: bool
    pid: int


def facts(cursor: Cursor) -> Facts:
    """Ask the server. Raises psycopg.Error."""
    (row,) = cursor.execute(_FACTS).fetchall()
    return Facts(*row)


def check_server(cursor: Cursor) -> Facts:
    """See that committed and prepared work stays. Raises TargetRefused naming setting and cure, TargetUnavailable."""
    found = facts(cursor)
    expect_direct(cursor.connection, found.pid)
    session.name_of(cursor.connection)
    if found.version_number < OLDEST:
        raise TargetRefused(f"This is PostgreSQL {found.version}; version 13 or later is needed.")
    settings = dict(cursor.execute(_SETTINGS, [[setting.name for setting in durability.POSTGRESQL]]).fetchall())
    if reason := durability.complaint(durability.POSTGRESQL, settings):
        raise TargetRefused(f"PostgreSQL cannot be relied on: {reason}.")
    if found.encoding == "SQL_ASCII":
        raise TargetRefused("The database's encoding is SQL_ASCII, in which no text is known to be what it was.")
    if found.recovering or found.read_only:
        reason = "a standby" if found.recovering else "default_transaction_read_only = on"
        raise TargetUnavailable(f"PostgreSQL takes no writes now: {reason}.")
    return found


def expect_direct(connection: psycopg.Connection[Any], pid: int) -> None:
    """See that no pooler stands between: it hands a session's statements to others' processes. Raises TargetRefused."""
    if connection.info.backend_pid != pid:
        text = (
            "A pooler stands between Rescind and PostgreSQL: the session that was opened is not the one that answers."
        )
        raise TargetRefused(f"{text} Name the server itself, and its own port, in the target's URL.")


def set_up(cursor: Cursor) -> None:
    """Make the marker table if it is missing. Raises TargetRefused, TargetUnavailable."""
    check_server(cursor)
    if not _has_marker_table(cursor):
        try:
            cursor.execute(_CREATE)
        except TAKEN:
            pass  # another process has just made it
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
            text = f"The role may not make table {marker.NAME}: {error.diag.message_primary}."
            raise TargetRefused(f"{text} Grant it CREATE on a schema of its search path.") from error
        check_marker_table(cursor)


def check(cursor: Cursor) -> None:
    """Look at what `set_up` made, and make nothing. Raises TargetRefused, TargetUnavailable."""
    check_server(cursor)
    check_marker_table(cursor)


def check_marker_table(cursor: Cursor) -> None:
    """See that the proofs can be kept. Raises TargetRefused, TargetUnavailable where there is no table."""
    if not _has_marker_table(cursor):
        raise TargetUnavailable(f"The database has no table {marker.NAME}: is it the right one? {marker.REGISTER}")
    statement = "SELECT asked FROM unnest(%s::text[]) AS asked WHERE NOT has_table_privilege(%s, asked)"
    missing = [right for (right,) in cursor.execute(statement, [list(_RIGHTS), marker.NAME])]
    if missing:
        text = f"The role may not {' and '.join(missing)} in {marker.NAME}, to write, read and forget markers."
        raise TargetRefused(f"{text} Cure: GRANT {', '.join(_RIGHTS)} ON {marker.NAME} to it.")


def _has_marker_table(cursor: Cursor) -> bool:
    found = relations.find(cursor, [marker.NAME])
    if found is None:
        return False
    relations.check(cursor, found)
    statement = "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped"
    columns = {name for (name,) in cursor.execute(statement, [found.oid])}
    if columns != {column.name for column in marker.marker.columns}:
        raise TargetRefused(f"The database has a table {marker.NAME} which is not Rescind's.")
    return True
