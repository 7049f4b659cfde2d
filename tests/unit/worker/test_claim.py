"""Claiming: who was not first takes the next best task."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.support.inprocess import in_process

from rescind.ledger import transitions
from rescind.scheduling.queue import next_task
from rescind.worker import run


def test_a_worker_that_loses_the_race_takes_the_next_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_process(tmp_path / "home") as rescind:
        first, second = (rescind.submit("generate", rows=1) for _ in range(2))

        def beaten(connection: Connection, exclusive: Collection[str]) -> str | None:
            """Another worker claims the chosen task just before this one does."""
            chosen = next_task(connection, ())
            if chosen == first:
                transitions.claim(connection, first, "elsewhere|x|x|1|1")
            return chosen

        monkeypatch.setattr(run, "next_task", beaten)
        claimed = rescind.worker.claim()
        assert claimed is not None
        assert claimed.id == second
