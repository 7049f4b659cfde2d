"""Whether what is committed here survives: a kill -9 of the server, and a power cut (PROTOCOL R10).

What a session can set for itself, `connections` sets; what only the server's owner can set is checked here.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from rescind.errors import ConfigurationError


def check(connection: Connection) -> None:
    """Raise ConfigurationError where the server may lose a commit, or cannot keep every character."""
    for reason in _REASONS.get(connection.dialect.name, _nothing)(connection):
        raise ConfigurationError(f"The ledger's server cannot be relied on: {reason}.")


def _nothing(connection: Connection) -> list[str]:
    return []


def _postgresql(connection: Connection) -> list[str]:
    found = {name: str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in ("fsync", "server_encoding")}
    reasons = []
    if found["fsync"] != "on":
        reasons.append("fsync is off, so that a power cut loses decisions; set fsync = on")
    if found["server_encoding"] != "UTF8":
        reasons.append(f"the database's encoding is {found['server_encoding']}; make the database with UTF8")
    return reasons


def _mysql(connection: Connection) -> list[str]:
    names = ("innodb_flush_log_at_trx_commit", "log_bin", "sync_binlog")
    row = connection.execute(text("SELECT " + ", ".join(f"@@GLOBAL.{name}" for name in names))).one()
    flush, logged, synced = map(int, row)
    reasons = []
    if flush != 1:
        reasons.append(f"innodb_flush_log_at_trx_commit is {flush}, so that a crash loses decisions; set it to 1")
    if logged and synced != 1:
        # After a crash the server rolls back what its binary log lacks, whatever InnoDB has.
        reasons.append(
            f"sync_binlog is {synced} and the binary log is on, so that a power cut loses decisions; set it to 1"
        )
    return reasons


_REASONS = {"postgresql": _postgresql, "mysql": _mysql}
