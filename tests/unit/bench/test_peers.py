"""The parts of the benchmark that decide whether a figure counts, and what the page says of it."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from bench.peers.contenders import OwnClient
from bench.peers.data import MIXED_TYPES, NARROW_TYPES, Data, mixed, narrow
from bench.peers.goals import Goal
from bench.peers.page import clean, page, verdict
from bench.peers.places import Lite, checksums, load_data
from bench.peers.rounds import Result, differing, ratios, turn


def result(name: str, *seconds: float, rows: int = 100, data: str = "narrow CSV", why: str = "") -> Result:
    return Result("SQLite", data, rows, name, list(seconds), [2 * s for s in seconds], why)


def goal(least: float, other: str = "own client", *, whole: bool = False) -> Goal:
    return Goal("SQLite", "narrow CSV", other, least, whole=whole)


def test_a_mixed_file_has_its_rows_and_what_makes_it_hard(tmp_path: Path) -> None:
    data = mixed(tmp_path, 2_000)
    with data.file.open(newline="") as lines:
        header, *records = csv.reader(lines)
    assert header == list(MIXED_TYPES)
    assert len(records) == data.rows == 2_000
    assert {len(record) for record in records} == {15}
    texts = [value for record in records for value in record]
    for part in (",", "\n", '"'):
        assert any(part in text for text in texts)
    assert "" in [record[header.index("quantity")] for record in records]


def test_the_head_of_a_file_has_its_first_rows(tmp_path: Path) -> None:
    data = narrow(tmp_path, 1_000)
    head = data.head(10)
    assert head.rows == 10
    assert head.file.read_text().splitlines() == data.file.read_text().splitlines()[:11]
    assert data.head(5_000).rows == 1_000


def test_load_data_says_what_is_missing_of_each_column_and_cuts_the_zone_off_a_time() -> None:
    data = Data("x", Path("x"), Path("x"), 1, {"a": "integer", "at": "timestamp"}, null="NA")
    statement = load_data(data, "t", Path("x.csv"))
    assert "(@a, @at)" in statement
    assert "`a` = nullif(@a, 'NA')" in statement
    assert "`at` = trim(TRAILING 'Z' FROM nullif(@at, 'NA'))" in statement


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("UPDATE t SET field1 = 'other' WHERE rowid = 1", "field1"),
        ("UPDATE t SET field2 = NULL WHERE rowid = 2", "field2"),
        ("DELETE FROM t WHERE rowid = 3", "2 rows for 3"),
    ],
)
def test_rows_that_are_not_the_same_are_noticed(tmp_path: Path, change: str, column: str) -> None:
    database = Lite(tmp_path / "data.db")
    data = Data("x", Path("x"), Path("x"), 3, NARROW_TYPES)
    with closing(sqlite3.connect(database.file)) as connection, connection:
        connection.execute("CREATE TABLE t (field1 TEXT, field2 TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [("one", "eins"), ("two", "zwei"), ("three", "drei")])
    before = checksums(database, "t", data)
    assert not differing(before, checksums(database, "t", data), list(data.types))
    database.rows(change)
    assert differing(before, checksums(database, "t", data), list(data.types)) == column


def test_each_round_begins_with_another() -> None:
    clients = [OwnClient(), OwnClient(), OwnClient()]
    assert {turn(clients, number)[0] is clients[number] for number in range(3)} == {True}
    assert [id(client) for client in turn(clients, 4)] == [id(clients[at]) for at in (1, 2, 0)]


def test_ratios_are_of_the_same_round_and_of_rates_where_the_rows_differ() -> None:
    ours, theirs = result("Rescind", 1.0, 2.0), result("own client", 3.0, 1.0)
    assert ratios(ours, theirs) == [3.0, 0.5]
    assert ratios(ours, theirs, whole=True) == [1.5, 0.25]
    assert ratios(result("Rescind", 1.0, rows=1000), result("dlt", 1.0, rows=10)) == [100.0]


def test_the_verdict_says_what_falls_short() -> None:
    results = [result("Rescind", 1.0, 1.0, 1.0), result("own client", 0.8, 1.0, 0.9)]
    assert verdict(goal(0.9), results) == "0.90 (0.80 to 1.00) | reached"
    assert verdict(goal(0.95), results) == "0.90 (0.80 to 1.00) | **short**"
    assert verdict(goal(0.5, whole=True), results) == "0.45 (0.40 to 0.50) | **short**"


def test_what_failed_reaches_nothing() -> None:
    results = [result("Rescind", 1.0), result("own client", 9.0, why="other rows")]
    assert verdict(goal(0.9), results) == "not measured | "


def test_the_slow_ones_are_found_by_the_file_whose_head_they_loaded() -> None:
    slow = result("dlt", 1.0, rows=10, data="narrow CSV, 10 rows")
    assert verdict(goal(5.0, "dlt"), [result("Rescind", 1.0), slow]) == "10.00 | reached"


def test_nothing_of_the_machine_is_on_the_page() -> None:
    assert clean("long\nno file /home/somebody/x.csv at 127.0.0.1:4711 | there") == "no file …/x.csv at there"


def test_the_page_has_every_load_every_goal_and_what_failed() -> None:
    results = [result("Rescind", 1.0), result("own client", 0.5), result("csvsql", why="it broke")]
    made = page(
        {
            "rows": 100,
            "rounds": 1,
            "machine": "2 cores and 4 GiB",
            "versions": {"Python": "3"},
            "results": [vars(each) for each in results],
            "sizes": [{"database": "MariaDB", "rows": 1_000_000, "seconds": 2.0, "peak_mib": 100.0}],
            "serving": {"GET /": [0.001] * 200, "tasks/s: bare": [12.0]},
        }
    )
    assert "| narrow CSV | 100 | Rescind | 100 | 1.00 (1.00 to 1.00) | 2.00 |" in made
    assert "| SQLite | narrow CSV | Rescind / own client | ≥ 0.9 | 0.50 | **short** |" in made
    assert "- SQLite, narrow CSV, csvsql: it broke" in made
    assert "| MariaDB | 1,000,000 | 2.00 | 100 |" in made
    assert "| GET / | 1.0 | 1.0 |" in made
    assert "| bare | 12 |" in made
