"""An account with the rights that docs/operating.md grants, and no others, can do all that is said of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text
from tests.docs.generated import DOCS
from tests.support.surface import Surface, document, real_surface

from rescind.errors import RescindError
from rescind.urls import database_url

ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)"
FILE = b"id,name\n1,x\n2,y\n"


class Blocks(NamedTuple):
    """The statements of a server: for its tables, for making tables, and for an account that may not make any."""

    tables: list[str]
    making: list[str]
    marker: list[str]


def blocks(title: str) -> Blocks:
    page = (DOCS / "operating.md").read_text()
    found = re.search(rf"^### {title}\n(.*?)(?=^### )", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    tables, making, marker = re.findall(r"```sql\n(.*?);\n```", found[1], re.DOTALL)
    return Blocks(tables.split(";\n"), making.split(";\n"), marker.split(";\n"))


class Server(Protocol):
    """A server of the tests."""

    def make_database(self) -> str: ...
    def admin_url(self, database: str) -> str: ...


class Account:
    """A new account that may log in to a new database with a table `orders`, and nothing else."""

    def __init__(self, kind: str, server: Server) -> None:
        maria = kind == "mariadb"
        url = urlsplit(server.make_database())
        # MariaDB lets everybody into databases whose names begin like those of the other tests.
        self.database = f"shop_{url.path[1:]}"
        self.name = f"clerk_{url.path[1:]}"
        self.blocks = blocks("MariaDB and MySQL" if maria else "PostgreSQL")
        self.url = f"{url.scheme}://{self.name}:word@127.0.0.1:{url.port}/{self.database}"
        self._server = server
        how = "IDENTIFIED BY" if maria else "LOGIN PASSWORD"
        user = f"USER {self.name}@'%'" if maria else f"ROLE {self.name}"
        self._run(server.admin_url(url.path[1:]), [f"CREATE DATABASE {self.database}", f"CREATE {user} {how} 'word'"])
        self.grant([ORDERS])

    def grant(self, statements: list[str]) -> None:
        """Run statements of the docs, by the administrator."""
        named = (statement.replace("shop.", f"{self.database}.") for statement in statements)
        mine = [re.sub(r"\brescind\b(?=@|$)", self.name, statement.strip()) for statement in named]
        self._run(self._server.admin_url(self.database), mine)

    def _run(self, url: str, statements: list[str]) -> None:
        engine = create_engine(database_url(url), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(params=["mariadb", "postgresql"])
def account(request: pytest.FixtureRequest) -> Account:
    return Account(request.param, request.getfixturevalue(request.param))


def outcome(s: Surface, query: str = "", table: str = "orders") -> str:
    task_id = s.accepted(query, table=table, content=FILE)
    s.work()
    return str(s.task(task_id)["state"])


def test_who_may_make_tables(account: Account, tmp_path: Path) -> None:
    account.grant(account.blocks.tables + account.blocks.making)
    with real_surface(tmp_path / "home", default=account.url) as s:
        assert outcome(s) == "committed"
        assert outcome(s, "create=true", "fresh") == "committed"
        assert document(s.call("GET", "/v1/tables/fresh/count")) == {"count": 2}
        task_id = s.accepted("create=true&dry_run=true", table="gone", content=FILE)
        s.work()
        assert s.task(task_id)["state"] == "checked"
        assert "gone" not in document(s.call("GET", "/v1/tables"))["tables"]
        assert document(s.call("DELETE", "/v1/tables/orders/rows"))["task"] == "clear"
        s.work()
        assert document(s.call("GET", "/v1/tables/orders/count")) == {"count": 0}


def test_who_may_not(account: Account, tmp_path: Path) -> None:
    account.grant(account.blocks.tables)
    with real_surface(tmp_path / "home", default=account.url) as s:
        with pytest.raises(RescindError, match="rescind_marker"):
            s.core.targets["default"].preflight()
        account.grant(account.blocks.marker)
        s.core.targets["default"].preflight()
        assert outcome(s) == "committed"
        s.core.targets["default"].forget(s.core.ledger.identity()[0], "none")


def test_a_missing_right_says_what_to_have_granted(account: Account, tmp_path: Path) -> None:
    account.grant([s for s in account.blocks.tables + account.blocks.making if "SELECT" not in s])
    account.grant([s.replace("INSERT, ", "") for s in account.blocks.tables if "SELECT" in s])
    account.grant(account.blocks.marker)
    with real_surface(tmp_path / "home", default=account.url) as s:
        task_id = s.accepted(table="orders", content=FILE)
        s.work()
        error = s.task(task_id)["error"]
    assert error["code"] == "right-missing"
    assert "INSERT" in error["advice"]
