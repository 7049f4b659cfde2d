"""URLs of databases: every spelling, and which of them name the same one."""

from __future__ import annotations

import pytest

from rescind.urls import database_url, same_database


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("sqlite:///x.db", "sqlite"),
        ("postgres://db/x", "postgresql+psycopg"),
        ("postgresql://db/x", "postgresql+psycopg"),
        ("postgresql+psycopg2://db/x", "postgresql+psycopg"),
        ("mysql://db/x", "mysql+pymysql"),
        ("mysql+mysqldb://db/x", "mysql+pymysql"),
        ("mariadb://db/x", "mysql+pymysql"),
    ],
)
def test_every_scheme_gets_its_driver(text: str, driver: str) -> None:
    assert database_url(text).drivername == driver


@pytest.mark.parametrize("text", ["", "x.db", "oracle://me:secret@db/x", "mysql://me:secret@db:secret/x"])
def test_what_is_no_url_of_a_database_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"database|not among") as refused:
        database_url(text)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sqlite:///x.db", "sqlite:///./y/../x.db", True),
        ("sqlite:///x.db", "sqlite:///y.db", False),
        ("mysql://me@db/x", "mariadb://you:secret@db:3306/x", True),
        ("mysql://db/x", "mysql://db/y", False),
        ("mysql://db/x", "mysql://db:3307/x", False),
        ("mysql://db/x", "postgresql://db:3306/x", False),
        ("postgres://localhost/x", "postgresql://127.0.0.1/x", True),
        ("postgres://db/x", "postgres://other/x", False),
        ("postgres:///x?host=/run/a", "postgres:///x?host=/run/b", False),
        ("postgres://x@db", "postgres://x@db/x", True),
    ],
)
def test_one_database_is_known_by_any_of_its_names(one: str, other: str, same: bool) -> None:
    assert same_database(database_url(one), database_url(other)) is same
