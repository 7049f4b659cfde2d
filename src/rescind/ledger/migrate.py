"""Bringing a ledger's tables to this version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from rescind.errors import ConfigurationError
from rescind.ledger.engine import Ledger


def migrate(ledger: Ledger) -> None:
    """Apply every migration that is missing, in one transaction. Raises LedgerUnavailable."""
    with ledger.write() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    ledger.identity()


def check(ledger: Ledger) -> None:
    """Raise ConfigurationError unless the ledger's tables are of this version."""
    with ledger.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        state = "has no tables yet" if found is None else f"is at version {found}, not {wanted}"
        raise ConfigurationError(f"The ledger {state}: run `rescind migrate` with this version.")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
