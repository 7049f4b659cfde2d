"""What an attempt could not finish by itself is the next sweep's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.inprocess import in_process

from rescind import bootstrap, failpoints
from rescind.domain.states import State
from rescind.errors import Undecided
from rescind.worker.lease import Unchanged


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


def _undecided() -> None:
    raise Undecided("The session is still alive.")


@pytest.mark.parametrize(
    ("table", "left", "end"),
    [("data", State.committing, State.committed), ("elsewhere", State.aborting, State.failed)],
)
def test_the_next_sweep_goes_on_though_the_worker_lives(table: str, left: State, end: State, tmp_path: Path) -> None:
    """InnoDB may roll back for minutes, which the worker does not wait for: nor may the sweeper wait for a lease."""
    with in_process(tmp_path / "home", lease_seconds=3600.0) as rescind:
        rescind.sql("CREATE TABLE elsewhere (other INTEGER)")
        failpoints.arm("recover.before_scan", _undecided)
        task = rescind.run("generate", table=table, rows=1)
        assert task.state is left
        bootstrap.open_sweeper(rescind.core).sweep_tasks(lambda _: True, Unchanged(), Unchanged())
        assert rescind.get(task.id).state is end
