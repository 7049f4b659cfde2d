"""Whether the ledger's database keeps what is committed (PROTOCOL R10), and every character.

What a session can set for itself, `connections` sets; what only the database's owner can set is checked here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from rescind import durability
from rescind.durability import complaint
from rescind.errors import ConfigurationError


def check(connection: Connection) -> None:
    """Raise ConfigurationError where the database may lose a commit, or cannot keep every character."""
    look = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}[connection.dialect.name]
    if reason := look(connection):
        raise ConfigurationError(f"The ledger's database cannot be relied on: {reason}.")


def _postgresql(connection: Connection) -> str | None:
    names = [setting.name for setting in durability.POSTGRESQL]
    found = {name: _one(connection, f"SHOW {name}") for name in (*names, "server_encoding")}
    if found["server_encoding"] != "UTF8":
        return f"the database's encoding is {found['server_encoding']}; make the database with UTF8"
    return complaint(durability.POSTGRESQL, found)


def _mysql(connection: Connection) -> str | None:
    names = ("log_bin", *(setting.name for setting in durability.MYSQL_LOGGED))
    found = {name: _one(connection, f"SELECT @@GLOBAL.{name}") for name in names}
    return complaint(durability.MYSQL_LOGGED if int(found["log_bin"]) else durability.MYSQL, found)


def _sqlite(connection: Connection) -> str | None:
    # The second may be SQLite's own, for what is temporary.
    attached = connection.execute(text("PRAGMA database_list")).all()
    path = next(Path(row.file) for row in attached if row.name == "main")
    if (kind := durability.file_system(path.parent)) in durability.NETWORK:
        return f"{path} lies on a network file system ({kind}), where SQLite's locks cannot be trusted"
    found = {setting.name: _one(connection, f"PRAGMA {setting.name}") for setting in durability.SQLITE}
    return complaint(durability.SQLITE, found)


def _one(connection: Connection, statement: str) -> Any:
    return connection.execute(text(statement)).scalar_one()
