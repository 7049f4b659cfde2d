"""A task that runs for as long as a test wants."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import text

from rescind.tasks import Transaction, transactional


@transactional(name="wait-for-file")
def wait_for_file(tx: Transaction, path: str) -> None:
    """Insert one row into the table `waited`, and end when the file exists."""
    tx.connection().execute(text("INSERT INTO waited VALUES (:path)"), {"path": path})
    while not Path(path).exists():
        tx.check()
        time.sleep(0.02)
