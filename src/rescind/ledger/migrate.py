"""Bringing a ledger's tables to this version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, inspect, select

from rescind.errors import ConfigurationError, LedgerUnavailable
from rescind.ledger import durability, tables
from rescind.ledger.connections import STATEMENT_SECONDS
from rescind.ledger.engine import Ledger

_VERSION_TABLE = "alembic_version"
_LOCK = 0x72657363696E64  #: of no meaning, and nobody else's


def migrate(ledger: Ledger) -> None:
    """Apply every migration that is missing; several processes may try at once, and any may be killed.

    In one transaction where the database can. MySQL commits each step: what a killed migration did is found done by
    the next one. Raises LedgerUnavailable, and ConfigurationError where the database is not fit for a ledger.
    """
    with ledger.write() as connection, _alone(connection):
        durability.check(connection)
        _refuse_others_tables(connection)
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigurationError(f"The ledger's database is of another version or application: {error}.") from error
    ledger.identity()


def check(ledger: Ledger) -> None:
    """Raise ConfigurationError unless the ledger's tables are of this version, and what they hold is durable."""
    file = ledger.engine.url.database if ledger.engine.dialect.name == "sqlite" else None
    if file is not None and not Path(file).exists():  # which looking would make
        raise ConfigurationError(
            f"There is no ledger at {file}. If the home is the right one (RESCIND_HOME, --home), "
            "run `rescind migrate`, or `rescind up`, which does."
        )
    with ledger.read() as connection:
        durability.check(connection)
        found = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        state = "has no tables yet" if found is None else f"is at version {found}, not {wanted}"
        raise ConfigurationError(f"The ledger {state}: run `rescind migrate` with this version.")


def answer(ledger: Ledger) -> None:
    """See that the database answers and is fit for a ledger, whether or not there is one in it yet.

    Raises LedgerUnavailable, ConfigurationError. An SQLite file is not asked: looking would make it.
    """
    if ledger.engine.dialect.name == "sqlite":
        return
    with ledger.read() as connection:
        durability.check(connection)


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Hold the lock of migrations. SQLite's transaction holds the whole file anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if connection.dialect.name != "mysql":
        yield
        return
    # The server's databases share these names. The lock is the session's: MySQL ends the transaction at every step.
    name = func.concat("rescind.", func.md5(func.database()))
    if connection.execute(select(func.get_lock(name, STATEMENT_SECONDS))).scalar_one() != 1:
        raise LedgerUnavailable("Another process is at the ledger's tables already; try again when it is done.")
    try:
        yield
    finally:
        connection.execute(select(func.release_lock(name)))


def _refuse_others_tables(connection: Connection) -> None:
    """Alembic's own table comes first: where it is missing, no migration of ours has made the others."""
    found = set(inspect(connection).get_table_names())
    if _VERSION_TABLE not in found and (others := sorted(found & set(tables.metadata.tables))):
        raise ConfigurationError(
            f"The ledger's database has tables of somebody else's with the names {', '.join(others)}; "
            "give the ledger a database of its own."
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
