from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.api import Service, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("api")) as service:
        yield service


@pytest.fixture
def service(server: Service) -> Service:
    """A server with an empty ledger and target. Starting one takes seconds, so it is one and the same for all."""
    server.reset()
    return server
