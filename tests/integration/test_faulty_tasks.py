"""Tasks whose own fault looks like another's: each ends, and what is told of it shows nobody's values."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from tests.support.inprocess import InProcess, in_process
from tests.support.servers.fixtures import started
from tests.support.servers.mariadb import MariaDB

from rescind.domain.states import State
from rescind.ledger import events

PACKET_BYTES = 1024 * 1024
MORE_CHARACTERS = 8 * PACKET_BYTES
SECRET = "4929-1234"


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    """It ends every session that sends it more than a mebibyte at once."""
    with started(lambda: MariaDB(max_allowed_packet=PACKET_BYTES)) as mariadb:
        yield mariadb


@pytest.fixture
def shop(server: MariaDB, tmp_path: Path) -> Iterator[InProcess]:
    """Target and ledger are databases of that server."""
    urls = {"database_url": SecretStr(server.make_database()), "ledger_url": SecretStr(server.make_database())}
    with in_process(tmp_path / "home", tasks=("tests.support.shop_tasks",), **urls) as running:
        running.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY AUTO_INCREMENT, day LONGTEXT NOT NULL)")
        yield running


def run_to_its_end(shop: InProcess, name: str, **args: object) -> tuple[State, str, int]:
    """State, code and errors; a worker that sends the same again and again does not come back."""
    task_id = shop.submit(name, **args)
    for _ in range(5):
        worker = threading.Thread(target=shop.drain, daemon=True)
        worker.start()
        worker.join(30)
        assert not worker.is_alive()
        if shop.get(task_id).state is not State.queued:
            break
        shop.wait_no_longer(task_id)
    task = shop.get(task_id)
    assert task.problem is not None
    return task.state, task.problem.code, task.errors


@pytest.mark.parametrize(("name", "code"), [("returns-much", "result-invalid"), ("raises-much", "task-raised")])
def test_what_a_task_says_is_never_more_than_the_ledger_takes(shop: InProcess, name: str, code: str) -> None:
    """Larger than a packet it looks like an outage, in which a decision and a mark are waited for."""
    assert run_to_its_end(shop, name, characters=MORE_CHARACTERS) == (State.failed, code, 0)
    assert shop.sql("SELECT count(*) FROM orders") == [(0,)]


def test_a_session_that_the_task_itself_brings_to_its_end_costs_an_attempt(shop: InProcess) -> None:
    """The server's number is that of an outage, which costs none: it would be tried for ever."""
    assert run_to_its_end(shop, "writes-much", characters=MORE_CHARACTERS) == (State.failed, "target-conflict", 3)
    assert shop.sql("SELECT count(*) FROM orders") == [(0,)]


DEADLY = """CREATE FUNCTION deadly() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$"""


@pytest.mark.parametrize("kind", ["postgresql"])
def test_so_does_one_that_the_server_ends_whenever_the_task_runs(faulty: InProcess) -> None:
    faulty.sql(DEADLY)
    faulty.sql("CREATE TRIGGER kills BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION deadly()")
    assert run_to_its_end(faulty, "place-orders", count=1) == (State.failed, "target-unavailable", 3)


FAULTS = {
    "sqlite": ["INSERT INTO orders (nothing) VALUES (:secret)", "INSERT INTO orders VALUEZ (:secret)"],
    "mariadb": ["SELECT nothing(:secret) FROM orders", "SELECT day FROM orders LIMIT :secret"],
    "postgresql": ["INSERT INTO orders (nothing) VALUES (:secret)", f"SELECT nothing({SECRET}), :secret"],
}


@pytest.fixture
def faulty(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[InProcess]:
    """With a target of that kind."""
    url = f"sqlite:///{tmp_path}/shop.db" if kind == "sqlite" else request.getfixturevalue(f"{kind}_url")
    shops_own = {"tasks": ("tests.support.shop_tasks",), "database_url": SecretStr(url)}
    with in_process(tmp_path / "home", **shops_own) as running:
        running.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, day VARCHAR(40))")
        yield running


@pytest.mark.parametrize(("kind", "statement"), [(kind, faulty) for kind in FAULTS for faulty in FAULTS[kind]])
def test_no_value_is_told_of_a_statement_that_is_wrong(faulty: InProcess, statement: str) -> None:
    with capture_logs() as logged:
        task = faulty.run("misspells", statement=statement, secret=SECRET)
    with faulty.core.ledger.read() as connection:
        history = events.of_task(connection, task.id)
    assert task.problem is not None
    assert task.problem.code == "task-raised"
    assert any(entry["event"] == "task.raised" for entry in logged)
    for told in (task.problem, history, logged):
        assert SECRET not in repr(told)
        assert statement.partition(" ")[0] not in repr(told)


@pytest.mark.parametrize(("kind", "statement"), [(kind, FAULTS[kind][0]) for kind in FAULTS])
def test_nor_by_a_task_that_quotes_the_error(faulty: InProcess, statement: str) -> None:
    task = faulty.run("quotes-an-error", statement=statement, secret=SECRET)
    assert task.problem is not None
    assert "SQL:" in task.problem.detail
    assert SECRET not in task.problem.detail
