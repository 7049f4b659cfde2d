from __future__ import annotations

import pytest
from flask import Flask

from rescind import bootstrap
from rescind.settings import load


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The application with a new ledger, in this process; nobody works for it."""
    settings = load(home=tmp_path_factory.mktemp("app"))
    bootstrap.migrate(settings)
    return bootstrap.api_app(settings)
