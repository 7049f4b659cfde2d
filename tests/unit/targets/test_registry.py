from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tests.support.servers.postgresql import PostgreSQL

from rescind.errors import ConfigurationError, TargetUnavailable
from rescind.settings import TwoPhase
from rescind.targets import registry
from rescind.targets.mysql.target import MySQLTarget
from rescind.targets.postgresql.target import PostgreSQLTarget
from rescind.targets.registry import open_targets
from rescind.targets.sqlite.target import SQLiteTarget


def test_opens_sqlite_files_in_the_order_of_the_settings(tmp_path: Path) -> None:
    targets = open_targets({"default": f"sqlite:///{tmp_path}/a.db", "other": f"sqlite+pysqlite:///{tmp_path}/b.db"})
    assert list(targets) == ["default", "other"]
    assert all(isinstance(target, SQLiteTarget) for target in targets.values())
    assert targets["other"].name == "other"
    targets.close()


def test_opening_connects_to_nothing(tmp_path: Path) -> None:
    open_targets({"default": f"sqlite:///{tmp_path}/missing/a.db"}).close()
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_setting_mentions_is_unavailable(tmp_path: Path) -> None:
    targets = open_targets({"default": f"sqlite:///{tmp_path}/a.db"})
    assert "orders" not in targets
    with pytest.raises(TargetUnavailable, match=r"Target orders is not configured"):
        targets["orders"]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_postgresql_by_every_spelling_of_its_scheme(scheme: str) -> None:
    targets = open_targets({"orders": f"{scheme}://user:geheim@127.0.0.1:1/db"})
    assert isinstance(targets["orders"], PostgreSQLTarget)
    targets.close()


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+mysqldb", "mariadb+pymysql"])
def test_mysql_by_every_spelling_of_its_scheme_and_as_the_setting_says(scheme: str) -> None:
    choices: tuple[TwoPhase, ...] = ("auto", "never")
    for two_phase in choices:
        targets = open_targets({"orders": f"{scheme}://user:geheim@127.0.0.1:1/db"}, two_phase)
        found = targets["orders"]
        assert isinstance(found, MySQLTarget)
        assert found._two_phase is (two_phase == "auto")
        targets.close()


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_how_long_locks_are_waited_for_is_the_setting(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[object, ...]] = []
    for kind in (MySQLTarget, PostgreSQLTarget):
        monkeypatch.setattr(kind, "__init__", lambda self, *given: made.append(given))
    open_targets({"orders": f"{scheme}://user@127.0.0.1:1/db"}, "auto", 7)
    assert made[0][-1] == 7


@pytest.mark.parametrize("scheme", ["oracle", "sqlite3", "postgresqls", "mssql+pyodbc"])
def test_another_database_is_a_wrong_setting_and_its_password_stays_hidden(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://, postgres://, mysql://, mariadb://") as error:
        open_targets({"orders": f"{scheme}://user:geheim@host/db"})
    assert "geheim" not in repr(error.value)


def test_a_target_that_does_not_answer_takes_one_writer_and_is_left_in_peace(
    own_postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each claim asks: one that hangs would hold up every task of every other target, again and again."""
    url = {"orders": own_postgresql.make_database()}
    with closing(open_targets(url)) as targets, closing(open_targets(url)) as impatient:
        own_postgresql.stop()
        assert targets.exclusive() == {"orders"}
        monkeypatch.setattr(registry, "ABSENT_SECONDS", 0.0)
        assert impatient.exclusive() == {"orders"}
        own_postgresql.start()
        assert impatient.exclusive() == frozenset()
        assert targets.exclusive() == {"orders"}


@pytest.mark.parametrize("url", ["postgresql://user:geheim@host", "postgresql://user:geheim@host/"])
def test_a_server_without_a_database_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="names no database") as error:
        open_targets({"orders": url})
    assert "geheim" not in repr(error.value)


def test_an_option_that_the_driver_does_not_have_is_named_and_not_ignored() -> None:
    with pytest.raises(ConfigurationError, match="sslmod") as error:
        open_targets({"orders": "postgresql://user:geheim@host/db?sslmod=require"})
    assert "geheim" not in repr(error.value)
    assert error.value.__cause__ is None


def test_a_url_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as error:
        open_targets({"orders": "mysql://user:geheim@host:port-geheim/db"})
    assert "geheim" not in repr(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:////data.db?mode=ro", "sqlite:///file:data.db"]
)
def test_only_a_plain_file_can_be_an_sqlite_target(url: str) -> None:
    with pytest.raises(ConfigurationError, match="plain file"):
        open_targets({"default": url})
