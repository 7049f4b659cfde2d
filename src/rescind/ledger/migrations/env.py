"""Alembic's way in: the connection comes from `rescind.ledger.migrate`, inside its transaction."""

from alembic import context

from rescind.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
