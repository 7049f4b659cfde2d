"""Requests that have to ask a target: one that is locked, and names that look like addresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.test_several_databases import TABLE
from tests.support.databases import engine, run
from tests.support.ledgers import SERVERS
from tests.support.surface import Surface, document, real_surface


@pytest.fixture
def s(tmp_path: Path, postgresql_url: str) -> Iterator[Surface]:
    with real_surface(tmp_path / "home", default=postgresql_url) as made:
        run(postgresql_url, TABLE)
        yield made


def test_a_locked_table_is_no_fault_of_the_service(s: Surface, postgresql_url: str) -> None:
    with engine(postgresql_url) as made, made.begin() as holder:
        holder.execute(text("LOCK TABLE items IN ACCESS EXCLUSIVE MODE"))
        answer = s.call("GET", "/v1/tables/items/count")
    assert (answer.status_code, document(answer)["code"]) == (503, "target-conflict")
    assert answer.headers["Retry-After"]
    assert document(s.call("GET", "/v1/tables/items/count")) == {"count": 0}


def test_a_table_with_a_slash_in_its_name_can_be_reached(s: Surface) -> None:
    name = "a%2Fb"
    s.accepted("create=true", table=name)
    s.work()
    assert document(s.call("GET", f"/v1/tables/{name}"))["name"] == "a/b"
    assert document(s.call("GET", f"/v1/tables/{name}/count")) == {"count": 3}
    page = s.call("GET", f"/v1/tables/{name}/rows?limit=2")
    assert len(document(page)["rows"]) == 2
    assert s.call("DELETE", f"/v1/tables/{name}/rows").status_code == 202


@pytest.mark.parametrize("server", SERVERS)
def test_a_name_that_is_too_long_is_refused_at_once(
    server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    most = {"mariadb": "64 characters", "postgresql": "63 bytes"}[server]
    longest = "\u00fc" * int(most[:2]) if server == "mariadb" else "\u00fc" * 31 + "x"
    with real_surface(tmp_path / "home", default=request.getfixturevalue(f"{server}_url")) as s:
        for wrong in (
            s.load("create=true", table=longest + "x"),
            s.load("create=true", table="t", content=f"{longest}x\n1\n".encode()),
        ):
            assert wrong.status_code == 422
            assert f"names of at most {most}" in document(wrong)["detail"]
        s.accepted("create=true", table=longest, content=f"{longest}\n1\n".encode())
        s.work()
        assert document(s.call("GET", f"/v1/tables/{longest}/count")) == {"count": 1}
