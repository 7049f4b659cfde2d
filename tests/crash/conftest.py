"""The suite's runners, and their servers in memory: processes are killed here, not machines; settings stay durable."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.crash.places import Place
from tests.crash.pool import PROCESSES, Pool, log_path, runner
from tests.crash.report import TALLY
from tests.crash.runner import SERVERS, Database, base_directory, databases
from tests.support.servers.programs import AbsentError, skip_or_fail
from tests.support.servers.server import running


class Servers:
    """Those of the machine's programs that are there, one of each kind."""

    def __init__(self, stack: ExitStack) -> None:
        self.there: dict[str, Database] = {}
        self._absent: dict[str, AbsentError] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", base_directory())
            for name, make in SERVERS.items():
                try:
                    self.there[name] = stack.enter_context(running(make()))
                except AbsentError as absent:
                    self._absent[name] = absent

    def expect(self, *names: str) -> None:
        """Skip the test, in CI fail it, where a server is absent."""
        for name in names:
            if name in self._absent:
                skip_or_fail(self._absent[name])

    def have(self, place: Place) -> bool:
        return not self._absent.keys() & place.servers


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The report of all runs, after everything else that is said."""
    if lines := list(TALLY.lines()):
        terminalreporter.section(f"random and planned kills; each run is a line of {log_path()}")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Of the whole suite."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(scope="session")
def pool(servers: Servers) -> Iterator[Pool]:
    """Of the whole suite; each runner has databases of its own."""
    with ExitStack() as stack:
        yield Pool([stack.enter_context(runner(databases(servers.there))) for _ in range(PROCESSES)])
