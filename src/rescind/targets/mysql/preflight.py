"""What must hold of a server before a task may trust it, and what it can do (PROTOCOL R10, "Which commit")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pymysql
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.schema import CreateTable

from rescind import durability
from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets import marker
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.failures import ACCESS_DENIED, XA_RECOVER_DENIED, number
from rescind.targets.mysql.session import run
from rescind.targets.mysql.versions import maria, release

#: MariaDB's first whose prepared branches outlive their session; MySQL's first whose XA outlives a crash with the
#: binary log on.
_OLDEST = {True: (10, 5), False: (8, 0, 30)}
_UNLIMITED = 2**63
_READ_ONLY = ("read_only", "super_read_only", "innodb_read_only")  #: MariaDB has not all of them

_NAMES = (
    "version", "version_comment", "innodb_flush_log_at_trx_commit", "log_bin", "sync_binlog", "local_infile",
    "wsrep_on", "aurora_version", "xa_detach_on_prepare", "max_binlog_cache_size",
    "group_replication_transaction_size_limit", "wsrep_max_ws_size", "max_allowed_packet", "lower_case_table_names",
    *_READ_ONLY,
)  # fmt: skip
_VARIABLES = "SHOW GLOBAL VARIABLES WHERE variable_name IN ({})"
_COLUMNS = """SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"""
_ENGINE = "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"


@dataclass(frozen=True)
class Server:
    """What a server says of itself."""

    variables: Mapping[str, str]  #: by lower-case name; those that it does not have are absent
    may_list: bool  #: XA RECOVER is allowed
    sees_transactions: bool  #: the right PROCESS

    @property
    def maria(self) -> bool:
        return maria(self.variables["version"])

    @property
    def release(self) -> tuple[int, ...]:
        return release(self.variables["version"])

    @property
    def product(self) -> str:
        return f"{'MariaDB' if self.maria else 'MySQL'} {'.'.join(map(str, self.release))}"

    def on(self, name: str) -> bool:
        return self.variables.get(name, "OFF").upper() in ("ON", "1")

    def without_xa(self) -> str | None:
        """Why no XA transaction may be begun here; None where it may."""
        if self.on("wsrep_on"):
            return "A Galera cluster refuses XA."
        if "aurora_version" in self.variables:
            return "On Aurora an XA branch does not survive a failover."
        return None

    def without_prepare(self) -> str | None:
        """Why no branch can be prepared here; None where it can."""
        if reason := self.without_xa():
            return reason
        if not self.may_list:
            # MySQL only: not reached on MariaDB
            return "The user may not list prepared branches. Cure: GRANT XA_RECOVER_ADMIN ON *.* TO the user."
        if not self.maria and not self.on("xa_detach_on_prepare"):
            # MySQL only: not reached on MariaDB
            return "xa_detach_on_prepare is OFF. Cure: SET PERSIST xa_detach_on_prepare = ON."
        return None

    def limits(self) -> dict[str, int]:
        """How large a transaction may become, in bytes, by the setting that says so."""
        sizes = {
            "max_binlog_cache_size": self.on("log_bin"),
            "group_replication_transaction_size_limit": True,
            "wsrep_max_ws_size": self.on("wsrep_on"),
        }
        found = {name: int(self.variables[name]) for name, counts in sizes.items() if counts and name in self.variables}
        return {name: size for name, size in found.items() if 0 < size < _UNLIMITED}


def look(connection: Connection) -> Server:
    """Ask the server. Raises pymysql.Error, TargetRefused for a proxy."""
    refuse_proxy(connection)
    variables = _variables(connection, _NAMES)
    may_list = _may(connection, "XA RECOVER", XA_RECOVER_DENIED)
    sees = _may(connection, "SELECT 1 FROM information_schema.innodb_trx LIMIT 1", ACCESS_DENIED)
    return Server(variables, may_list, sees)


def refuse_proxy(connection: Connection) -> None:
    """A session must be one session: the greeting, the function and the server's own list must name the same.

    A proxy answers some of these itself, and sends others to any of several sessions. Raises TargetRefused.
    """
    own = run(connection, "SELECT CONNECTION_ID()")[0][0]
    listed = run(connection, "SELECT id FROM information_schema.processlist WHERE id = CONNECTION_ID() + 0")
    greeted = connection.number
    if own & 0xFFFFFFFF != greeted or listed != [(own,)]:
        raise TargetRefused(
            f"The URL leads to a proxy: one connection has the numbers {greeted}, {own} and {[n for (n,) in listed]}. "
            "Cure: use the server's own address; sessions behind a proxy cannot be told apart."
        )


def check(server: Server) -> None:
    """Version and durability. Raises TargetRefused; TargetUnavailable for a server that may only be read."""
    oldest = _OLDEST[server.maria]
    if server.release < oldest:
        raise TargetRefused(f"{server.product} is too old: {'.'.join(map(str, oldest))} or later is needed.")
    _refuse_replica(server.variables)
    settings = durability.MYSQL_LOGGED if server.on("log_bin") else durability.MYSQL
    if reason := durability.complaint(settings, server.variables):
        raise TargetRefused(f"{server.product} cannot be relied on: {reason}.")


def expect_primary(connection: Connection) -> None:
    """A replica lags: what it does not show, marker or prepared branch, may be there. Raises TargetUnavailable."""
    _refuse_replica(_variables(connection, _READ_ONLY))


def set_up(connection: Connection) -> None:
    """Make the marker table if it is missing. Raises TargetRefused, pymysql.Error."""
    if not has_marker_table(connection):
        run(connection, CREATE)


def _create() -> str:
    table = str(CreateTable(marker.marker, if_not_exists=True).compile(dialect=MySQLDialect_pymysql())).strip()
    # With its index in one statement: for want of the right INDEX it would be left without, and be taken for whole.
    index = f"INDEX {marker.by_incarnation.name} ({', '.join(marker.by_incarnation.columns.keys())})"
    options = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
    return f"{table.removesuffix(')').rstrip()}, {index}) {options}"


CREATE = _create()  #: the statement that makes the marker table; the docs show it to administrators


def check_marker_table(connection: Connection) -> None:
    """Raises TargetUnavailable where there is none, TargetRefused where it is not ours or cannot be rolled back."""
    if not has_marker_table(connection):
        raise TargetUnavailable(f"The database has no table {marker.NAME}: is it the right one? {marker.REGISTER}")
    engine = run(connection, _ENGINE, marker.NAME)[0][0]
    if engine != "InnoDB":
        raise TargetRefused(f"Table {marker.NAME} has the engine {engine}: it must be InnoDB.")


def has_marker_table(connection: Connection) -> bool:
    columns = {name for (name,) in run(connection, _COLUMNS, marker.NAME)}
    if columns and columns != {column.name for column in marker.marker.columns}:
        raise TargetRefused(f"The database has a table {marker.NAME} which is not Rescind's.")
    return bool(columns)


def _variables(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """The values of the server's own settings by lower-case name."""
    statement = _VARIABLES.format(", ".join(map(repr, names)))
    return {str(name).lower(): str(value) for name, value in run(connection, statement)}


def _refuse_replica(variables: Mapping[str, str]) -> None:
    for name in _READ_ONLY:
        value = variables.get(name, "OFF").upper()
        if value not in ("OFF", "0"):  # MariaDB 12 knows degrees of it
            raise TargetUnavailable(f"The server may only be read ({name} is {value}): is it a replica?")


def _may(connection: Connection, statement: str, denied: int) -> bool:
    try:
        run(connection, statement)
    except pymysql.Error as error:
        if number(error) in (denied, ACCESS_DENIED):
            return False
        raise
    return True
