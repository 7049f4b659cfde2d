"""What holds for every test: a clean environment, no armed failpoint, nothing left running."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil
import pytest
import structlog
from hypothesis import settings

from rescind import failpoints

pytest_plugins = ["tests.support.servers.fixtures", "tests.support.ledgers"]

# Its own deadline is a time, and another process on the machine would fail a test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_OURS = ("RESCIND_", "DATABASE_URL", "CELERY_BROKER_URL")
_FOR_TESTS = {"RESCIND_CRASH_RUNS", "RESCIND_CRASH_SEED", "RESCIND_CRASH_LOG"}


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """The settings of whoever runs the tests are none of the tests' business."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_OURS) and name not in _FOR_TESTS:
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    """A failpoint that one test arms never acts in another."""
    yield
    failpoints.disarm()


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """A command that a test runs has the log go to that test's standard error, which is closed after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Every process that a test starts has ended, with its descendants, when the tests end."""
    yield
    _, left = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=5)
    assert [str(process) for process in left] == []
