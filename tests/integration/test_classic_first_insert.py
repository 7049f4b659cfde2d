"""The demo's endpoints while the very first insert runs, which makes their table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.databases import run
from tests.support.ledgers import SERVERS
from tests.support.surface import Surface, document, real_surface

from rescind import failpoints
from rescind.domain.states import State


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def s(tmp_path: Path, url: str) -> Iterator[Surface]:
    with real_surface(tmp_path / "home", default=url) as made:
        yield made


def during_the_first_insert(s: Surface, requests: list[tuple[str, str]]) -> list[tuple[int, dict[str, object]]]:
    """What each request is answered while the rows of the first insert are being written."""
    answered: list[tuple[int, dict[str, object]]] = []

    def ask() -> None:
        for method, path in requests:
            answer = s.call(method, path)
            answered.append((answer.status_code, document(answer)))

    assert s.call("POST", "/insert/60000").status_code == 202
    failpoints.arm("branch.mid_data", ask)
    s.work()
    return answered


def test_its_rows_are_not_there_yet_and_nothing_is_refused(s: Surface) -> None:
    count, rows, insert = during_the_first_insert(
        s, [("GET", "/get_data/count"), ("GET", "/get_data"), ("POST", "/insert/10")]
    )
    assert count == (200, {"success": True, "count": 0})
    assert rows == (200, {"success": True, "count": 0, "data": []})
    assert insert[0] == 202
    s.work()
    assert s.state(str(insert[1]["task_id"])) is State.committed
    assert document(s.call("GET", "/get_data/count"))["count"] == 60_010


def test_a_table_of_the_users_own_is_not_touched_all_the_same(s: Surface, url: str) -> None:
    run(url, "CREATE TABLE data (id INTEGER PRIMARY KEY)")
    for method, path in [("GET", "/get_data/count"), ("GET", "/delete_all"), ("POST", "/insert/1")]:
        answer = s.call(method, path)
        assert (answer.status_code, document(answer)["code"]) == (409, "not-made-here")
