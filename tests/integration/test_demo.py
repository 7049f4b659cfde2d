"""The demo on servers of one's own: the demo's stack, MariaDB and RabbitMQ."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import create_engine, text
from tests.support.stack import environment

from rescind.urls import database_url

DEMO_SECONDS = 400


def run(told: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "examples/demo.py"]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False)


@pytest.mark.stack
@pytest.mark.timeout(DEMO_SECONDS + 20)
def test_every_fact_holds_on_mariadb_and_rabbitmq(mariadb_url: str, rabbitmq_url: str) -> None:
    told = environment(CI="true", DATABASE_URL=mariadb_url, CELERY_BROKER_URL=rabbitmq_url)
    demo = subprocess.run(
        [sys.executable, "examples/demo.py"],
        env=told,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Every fact held" in demo.stdout
    assert '"protocol": "two-phase"' in demo.stdout
    engine = create_engine(database_url(mariadb_url))
    with engine.connect() as connection:
        assert connection.execute(text("XA RECOVER")).all() == []
    engine.dispose()


def test_it_touches_no_table_that_is_there(mariadb_url: str) -> None:
    engine = create_engine(database_url(mariadb_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE flights (year INTEGER)"))
    told = environment(CI="true", DATABASE_URL=mariadb_url)
    demo = run(told)
    assert demo.returncode == 1
    assert "give the demo an empty database" in demo.stderr
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM flights")).scalar_one() == 0
    engine.dispose()
