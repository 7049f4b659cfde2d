"""The ledger's migrations, run by Alembic. A migration is never changed once it was released."""
