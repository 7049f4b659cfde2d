"""Whole exports: over real servers, stopped in each phase, and loaded again as the same rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.databases import engine, run
from tests.support.surface import Surface, document, real_surface, surface
from tests.support.waiting import until

from rescind import failpoints
from rescind.domain.states import State
from rescind.ledger.engine import now

#: Columns of every type, and rows that a careless format would change.
POSTGRESQL = (
    """CREATE TABLE {} (id bigint PRIMARY KEY, i integer, n numeric(30,10), r double precision, b boolean, d date,
    t time, ts timestamp, tz timestamptz, x text, c char(5), raw bytea, j json, jb jsonb, u uuid, a integer[])""",
    """INSERT INTO source VALUES
    (1, -2147483648, 12345678901234567890.0123456789, 5e-324, true, '0001-01-01', '23:59:59.999999',
     '9999-12-31 23:59:59.999999', '2026-02-03 04:05:06+07', E'a,"b"\\r\\nc', 'ab', '\\x00ff5c78',
     '{"a": 1.10, "a": 2}', '[1, "é"]', '0192f0c0-0000-7000-8000-00000000abcd', '{1,NULL}'),
    (2, 0, -0.5, -0.1, false, '2024-02-29', '00:00', '0001-01-01', '1970-01-01 00:00:00.000001+00', '', '', '',
     'null', 'null', NULL, '{}'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, 7, 7, 1e300, true, '9999-12-31', '12:00', '2000-01-01 12:00:00.5', '9999-12-31 23:59:59.999999+00',
     '=HYPERLINK("x")', E'\\\\x', '=x', '"\\u00e9"', '{}', '00000000-0000-0000-0000-000000000000', '{2}')""",
)
MARIADB = (
    """CREATE TABLE {} (id BIGINT PRIMARY KEY, i INT, un BIGINT UNSIGNED, n DECIMAL(40,10), r DOUBLE, f FLOAT,
    b BOOLEAN, d DATE, t TIME(6), ts DATETIME(6), tz TIMESTAMP(6) NULL, x LONGTEXT, c CHAR(5), raw LONGBLOB, j JSON,
    u UUID, e ENUM('a','b,c')) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4""",
    r"""INSERT INTO source VALUES
    (1, -2147483648, 18446744073709551615, 12345678901234567890.0123456789, 5e-324, 0.1, TRUE, '0001-01-01',
     '23:59:59.999999', '9999-12-31 23:59:59.999999', '2026-02-03 04:05:06.000007', 'a,"b"\r\nc', 'ab', X'00ff5c78',
     '{"a": 1.10, "a": 2}', '0192f0c0-0000-7000-8000-00000000abcd', 'b,c'),
    (2, 0, 0, -0.5, -0.1, -1.5, FALSE, '2024-02-29', '00:00', '2000-01-01', '1971-01-01 00:00:00.000001', '', '', '',
     'null', NULL, 'a'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, 7, 7, 7, 1e300, 16777217, TRUE, '9999-12-31', '12:00', '2000-01-01 12:00:00.5', '2037-12-31 23:59:59.999999',
     '=HYPERLINK("x")', '\\x', '=x', '"é"', 'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL)""",
)
SQLITE = (
    """CREATE TABLE {} (id INTEGER PRIMARY KEY, n DECIMAL, r REAL, b BOOLEAN, d DATE, t TIME, ts TIMESTAMP,
    tz TIMESTAMPTZ, x TEXT, raw BLOB, j JSON, u UUID)""",
    """INSERT INTO source VALUES
    (1, 12.5, 5e-324, 1, '0001-01-01', '23:59:59.999999', '9999-12-31 23:59:59.999999',
     '2026-02-03 04:05:06.000007+00:00', 'a,"b"' || char(13, 10) || 'c' || char(0), x'00ff5c78', '{"a": 1.10, "a": 2}',
     '0192f0c0-0000-7000-8000-00000000abcd'),
    (2, -0.5, -0.1, 0, '2024-02-29', '00:00:00', '0001-01-01 00:00:00', '1970-01-01 00:00:00.000001+00:00', '', x'',
     'null', NULL),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, 7, 1e300, 1, '9999-12-31', '12:00:00', '2000-01-01 12:00:00.5', '9999-12-31 23:59:59.999999+00:00',
     '=HYPERLINK("x")', x'3d78', '"é"', '00000000-0000-0000-0000-000000000000')""",
)
SERVERS = {"postgresql": POSTGRESQL, "mariadb": MARIADB, "sqlite": SQLITE}
FORMATS = ("csv", "ndjson", "parquet")

LOCKED = {
    "postgresql": ("LOCK TABLE source IN ACCESS EXCLUSIVE MODE", "pg_stat_activity WHERE wait_event_type = 'Lock'"),
    "mariadb": ("LOCK TABLES source WRITE", "information_schema.processlist WHERE state LIKE 'Waiting for table%'"),
}


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a new, empty database."""
    return f"sqlite:///{tmp_path}/data.db" if server == "sqlite" else str(request.getfixturevalue(f"{server}_url"))


@pytest.fixture
def s(server: str, url: str, tmp_path: Path) -> Iterator[Surface]:
    """With a table `source` of all types, and an empty one like it, `copy`."""
    table, rows = SERVERS[server]
    with real_surface(tmp_path / "home", default=url) as made:
        run(url, table.format("source"), table.format("copy"), rows)
        yield made
        assert made.prepared() == []


def submitted(s: Surface, table: str = "source", **args: Any) -> str:
    answer = s.call("POST", "/v1/tasks", json={"task": "export", "args": {"table": table} | args})
    assert answer.status_code == 202, answer.text
    return str(document(answer)["id"])


def downloaded(s: Surface, task_id: str) -> bytes:
    task = s.task(task_id)
    assert task["state"] == State.committed, task
    with s.call("GET", task["links"]["download"]) as answer:
        assert answer.status_code == 200
        (output,) = task["receipt"]["outputs"]
        assert hashlib.sha256(answer.data).hexdigest() == output["sha256"]
        return bytes(answer.data)


def files(s: Surface) -> list[str]:
    """What outlives a sweep."""
    s.core.outputs.sweep(now())
    return sorted(path.name for path in s.core.settings.outputs_directory().glob("*"))


def rows(s: Surface, table: str) -> list[dict[str, Any]]:
    with s.core.targets["default"].catalog().rows(table) as batches:
        return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_exported_and_loaded_again_is_the_same_rows(s: Surface, form: str) -> None:
    task_id = submitted(s, format=form)
    s.work()
    loaded = s.accepted(table="copy", content=downloaded(s, task_id))
    s.work()
    assert s.task(loaded)["state"] == State.committed, s.task(loaded)
    before = rows(s, "source")
    for row in before if form == "ndjson" else ():  # where JSON's own null and none at all are one
        row |= {name: None for name in ("j", "jb") if row.get(name) == "null"}
    assert rows(s, "copy") == before
    assert len(before) == 4


@pytest.mark.parametrize("server", LOCKED, indirect=True)
def test_a_stop_is_heard_while_the_database_waits(s: Surface, server: str, url: str) -> None:
    lock, waiting = LOCKED[server]

    def waits() -> bool:
        with engine(url) as made, made.connect() as connection:
            return bool(connection.exec_driver_sql(f"SELECT 1 FROM {waiting.replace('%', '%%')}").all())

    task_id = submitted(s)
    with engine(url) as made, made.begin() as other, ThreadPoolExecutor(1) as pool:
        other.exec_driver_sql(lock)
        work = pool.submit(s.work)
        until(waits, "the export to wait")
        assert s.call("POST", f"/v1/tasks/{task_id}/stop").status_code == 202
        work.result(timeout=60)
        assert not waits()
    s.sweep()
    assert s.task(task_id)["state"] == State.stopped
    assert files(s) == []


@pytest.fixture
def m(tmp_path: Path) -> Iterator[Surface]:
    """Over databases in memory, of which `default` commits in two phases; with three rows in `items`."""
    with surface(tmp_path) as made:
        made.accepted()
        made.work()
        yield made


BEFORE = ["output.mid_data", "output.before_rename", "output.after_rename", "branch.before_marker", "prepare.before"]


def at(point: str, act: Callable[[], object]) -> list[str]:
    """Have that done once, when the point is reached."""
    reached: list[str] = []

    def once() -> None:
        if not reached:
            reached.append(point)
            act()

    failpoints.arm(point, once)
    return reached


@pytest.mark.parametrize("point", [*BEFORE, "prepare.after_list", "decide.before"])
def test_case_c19_a_stop_in_each_phase_before_the_decision_leaves_no_file(m: Surface, point: str) -> None:
    task_id = submitted(m, "items")
    reached = at(point, lambda: m.call("POST", f"/v1/tasks/{task_id}/stop"))
    m.work()
    m.sweep()
    assert reached
    assert m.task(task_id)["state"] == State.stopped
    assert m.call("GET", f"/v1/tasks/{task_id}/download").status_code == 409
    assert files(m) == []


def test_case_c19_after_the_decision_a_stop_is_too_late_and_the_file_is_there(m: Surface) -> None:
    task_id = submitted(m, "items")
    answers: list[int] = []
    at("decide.after", lambda: answers.append(m.call("POST", f"/v1/tasks/{task_id}/stop").status_code))
    m.work()
    assert answers == [409]
    assert downloaded(m, task_id) == b'"id","name"\r\n1,"x"\r\n2,"y"\r\n3,"z"\r\n'
    assert files(m) == [f"{task_id}.1.export"]


@pytest.mark.parametrize("point", [*BEFORE, "decide.before"])
def test_an_attempt_that_fails_leaves_no_file_and_the_next_one_makes_its_own(m: Surface, point: str) -> None:
    def fail() -> None:
        raise failpoints.ReplyLost(point)

    task_id = submitted(m, "items")
    reached = at(point, fail)
    m.work()
    m.sweep()
    m.set(task_id, not_before=None)
    m.work()
    task = m.task(task_id)
    if task["state"] == State.failed:  # what a function of a task raises is its own fault
        assert point.startswith("output")
        assert files(m) == []
    else:
        assert downloaded(m, task_id)
        assert files(m) == [f"{task_id}.{task['attempt']}.export"]
    assert reached


def test_a_held_export_can_be_downloaded_once_it_is_committed(m: Surface) -> None:
    body = {"task": "export", "args": {"table": "items"}, "commit": "manual"}
    task_id = str(document(m.call("POST", "/v1/tasks", json=body))["id"])
    m.work()
    assert m.task(task_id)["state"] == State.prepared
    assert m.call("GET", f"/v1/tasks/{task_id}/download").status_code == 409
    assert files(m) == [f"{task_id}.1.export"]
    m.call("POST", f"/v1/tasks/{task_id}/commit")
    m.sweep()
    assert downloaded(m, task_id)


def test_several_targets_are_refused(m: Surface) -> None:
    body = {"task": "export", "args": {"table": "items"}, "targets": ["default", "archive"]}
    answer = m.call("POST", "/v1/tasks", json=body)
    assert (answer.status_code, document(answer)["errors"][0]["name"]) == (422, "targets")


def test_another_target_than_default(m: Surface) -> None:
    body = {"task": "export", "args": {"table": "items"}, "targets": ["archive"]}
    task_id = str(document(m.call("POST", "/v1/tasks", json=body))["id"])
    m.work()
    assert downloaded(m, task_id) == b'"id","name"\r\n'


def test_the_rows_are_those_of_one_snapshot(m: Surface) -> None:
    task_id = submitted(m, "items")
    at("output.mid_data", lambda: (m.accepted("", content=b"id,name\n9,late\n"), None))
    m.work()
    assert m.rows() == 4
    assert b"late" not in downloaded(m, task_id)
