"""What the sweeper makes of an outage of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from rescind.errors import LedgerUnavailable
from rescind.ledger.engine import Ledger
from rescind.targets.registry import TargetRegistry
from rescind.worker.lease import Unchanged
from rescind.worker.sweeper import Sweeper


def test_a_ledger_that_was_away_makes_no_worker_dead(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Healthy workers could not beat either: their leases begin anew."""
    clock = iter([0.0, 100.0, 200.0])
    beats = Unchanged(lambda: next(clock))
    none: Any = None

    @contextmanager
    def away(self: Ledger) -> Iterator[Any]:
        raise LedgerUnavailable("away")
        yield

    with closing(Ledger(ledger_url)) as ledger:
        sweeper = Sweeper(ledger, TargetRegistry({}), none, none, none, none, lambda _: None, 15.0, 2.0)
        beats.seconds("task", 1)
        assert beats.seconds("task", 1) == 100
        monkeypatch.setattr(Ledger, "write", away)
        monkeypatch.setattr(Unchanged, "keep", lambda *_: None)
        sweeper.sweep_tasks(lambda _: True, beats, Unchanged())
        assert beats.seconds("task", 1) == 0
