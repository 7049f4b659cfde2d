"""Settings: where they come from, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rescind.errors import ConfigurationError
from rescind.settings import load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_flags_win_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rescind.toml").write_text("port = 1\nlease_seconds = 3\nhost = '127.0.0.2'\n")
    monkeypatch.setenv("RESCIND_PORT", "2")
    monkeypatch.setenv("RESCIND_LEASE_SECONDS", "4")
    found = load(port=5)
    assert (found.port, found.lease_seconds, found.host) == (5, 4.0, "127.0.0.2")


def test_a_password_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://me:secret@127.0.0.1//")
    found = load()
    assert found.broker() == "amqp://me:secret@127.0.0.1//"
    assert "secret" not in repr(found)


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("url").write_text("sqlite:////srv/shop.db\n")
    monkeypatch.setenv("DATABASE_URL_FILE", "url")
    assert load().target_urls()["default"] == "sqlite:////srv/shop.db"


@pytest.mark.parametrize(
    ("environment", "toml", "said"),
    [
        ({"RESCIND_LOG_LEVEL": "loud"}, "", "RESCIND_LOG_LEVEL: .*DEBUG"),
        ({"RESCIND_PORT": "http"}, "", "RESCIND_PORT: "),
        ({"DATABASE_URL_FILE": "/nonexistent/url"}, "", "DATABASE_URL_FILE: /nonexistent/url"),
        ({"RESCIND_LEDGER_URL": "sqlite:///x.db", "DATABASE_URL": "sqlite:///x.db"}, "", "same database"),
        ({"RESCIND_LEDGER_URL": "postgres://db/x", "DATABASE_URL": "postgresql://me@db:5432/x"}, "", "same database"),
        ({"RESCIND_TARGETS__BIG": "sqlite:///y.db"}, "[targets]\nDEFAULT = 'x'\n", "lower-case"),
        ({}, "prot = 3\n", "prot in /.*/rescind.toml: there is no such setting"),
        ({}, "port = 'x'\n", "port in /.*/rescind.toml: "),
        ({"RESCIND_PORT": "http"}, "port = 'x'\n", "RESCIND_PORT: "),
        ({"RESCIND_TARGETS": "bad"}, "", "RESCIND_TARGETS__NAME=url"),
        ({"RESCIND_HOEM": "/srv"}, "", "no setting RESCIND_HOEM; is RESCIND_HOME meant"),
        ({"RESCIND_LEDGER": "x"}, "", "is RESCIND_LEDGER_URL meant"),
        ({}, 'port = "x\n', "rescind.toml is not TOML"),
    ],
)
def test_a_wrong_setting_is_named(
    environment: dict[str, str], toml: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("rescind.toml").write_text(toml)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said):
        load()


def test_what_is_not_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESCIND_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("RESCIND_URL", "http://127.0.0.1:8000")
    assert load().host == "127.0.0.1"
