"""What is a matter of speed, never of safety, made small for all processes of a run: waits, and batches of rows."""

from __future__ import annotations

from rescind.targets.sqlite import branch
from rescind.tasks import rejecting
from rescind.transaction import proof, recovery
from rescind.worker import sweeper, watchdog


def quicken() -> None:
    """A run shall not wait for seconds where the service may, and its few rows are several batches, as many are."""
    rejecting.BATCH_ROWS = 10
    recovery.FIRST_BACKOFF_SECONDS = 0.005
    proof.SESSION_SECONDS = 1.0
    watchdog.LOOK_SECONDS = 0.02
    sweeper.STOP_SECONDS = 0.5
    branch.BUSY_SECONDS = 1.0
