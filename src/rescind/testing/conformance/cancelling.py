"""Cancelling: a statement ends early, from another thread, at any moment."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from rescind.errors import RescindError
from rescind.targets.target import Branch
from rescind.testing.conformance.scene import DEADLINE_SECONDS, Scene, Suite, eventually, items, write

BATCH_ROWS = 20_000
MOST_BATCHES = 500


class Cancelling(Suite):
    """The watchdog cancels again and again until the worker has noticed."""

    def test_a_cancel_before_any_statement_does_no_harm(self, scene: Scene) -> None:
        branch = scene.begin()
        branch.cancel()
        branch.cancel()
        branch.rollback()
        branch.close()
        assert scene.count() == 0
        scene.written(1).commit()
        assert scene.count() == 1

    def test_a_cancel_ends_a_write_and_all_is_taken_back(self, scene: Scene) -> None:
        branch = scene.begin()
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(_write_on_and_on, branch)

            def ended() -> bool:
                branch.cancel()
                return writing.done()

            eventually(ended, "the write has ended")
            assert _error_of(writing) is not None
        branch.rollback()
        branch.close()
        scene.sees(branch, prepared=False, rows=0, marked=False)

    def test_a_cancelled_session_does_not_reach_others(self, scene: Scene) -> None:
        first = scene.begin()
        first.rollback()
        first.close()
        second = scene.begin()
        first.cancel()
        assert write(second, items(1)) == 1
        second.rollback()


def _write_on_and_on(branch: Branch) -> None:
    for number in range(MOST_BATCHES):
        ids = range(number * BATCH_ROWS, (number + 1) * BATCH_ROWS)
        write(branch, pa.RecordBatch.from_pydict({"id": list(ids), "name": ["x"] * BATCH_ROWS}))


def _error_of(writing: Future[None]) -> RescindError | None:
    error = writing.exception(DEADLINE_SECONDS)
    assert error is None or isinstance(error, RescindError), error
    return error
