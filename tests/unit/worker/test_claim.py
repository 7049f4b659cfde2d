"""Claiming: who was not first takes the next best task, and a target that hangs holds up nobody else."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from sqlalchemy import Connection, QueuePool
from tests.support.inprocess import in_process

from rescind import bootstrap
from rescind.ledger import transitions
from rescind.scheduling.queue import next_task
from rescind.targets.registry import TargetRegistry
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


def test_nobody_holds_the_ledger_while_a_target_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is frozen answers after its timeouts only: all that time nobody else could submit, beat or decide."""
    asked = []
    with in_process(tmp_path / "home") as rescind:

        def ask(self: TargetRegistry) -> frozenset[str]:
            pool = rescind.core.ledger.engine.pool
            assert isinstance(pool, QueuePool)
            asked.append(pool.checkedout())
            return frozenset()

        rescind.submit("generate", rows=1)
        monkeypatch.setattr(TargetRegistry, "exclusive", ask)
        bootstrap.open_sweeper(rescind.core).announce()
        rescind.drain()
    assert asked
    assert set(asked) == {0}
