"""What becomes of a table's rows, and of a file's bad ones, on each database."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.databases import run
from tests.support.items import OLD, items, with_items
from tests.support.surface import Surface, document

from rescind import failpoints
from rescind.domain.states import State
from rescind.tasks import rejecting


@pytest.fixture
def s(tmp_path: Path, url: str) -> Iterator[Surface]:
    with with_items(tmp_path / "home", url) as made:
        yield made


def ended(s: Surface, query: str, content: bytes) -> dict[str, Any]:
    task_id = s.accepted(query, content=content)
    s.work()
    return s.task(task_id)


def test_replace_puts_the_files_rows_in_the_place_of_the_old(s: Surface, url: str) -> None:
    task = ended(s, "mode=replace", b"id,name\n2,new\n3,more\n9,last\n")
    assert task["state"] == "committed"
    assert task["receipt"]["counts"] == {"before": 2, "after": 3}
    assert items(url) == [(2, "new"), (3, "more"), (9, "last")]


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)  # SQLite has one writer at a time
def test_rows_of_each_writer_are_counted(s: Surface, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejecting, "BATCH_ROWS", 2)
    task = ended(s, "writers=2&count=true", b"id,name\n11,a\n12,b\n13,c\n14,d\n15,e\n16,f\n")
    assert task["receipt"]["counts"] == {"before": 2, "after": 8}
    rows = [branch["rows"] for branch in task["receipt"]["branches"]]
    assert sum(rows) == 6
    assert all(rows), "both branches have to write, or one's count would be right by chance"


@pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)  # SQLite has nothing that could be held
def test_old_rows_stay_until_a_replacement_commits_and_when_it_is_stopped(s: Surface, url: str) -> None:
    task_id = s.accepted("mode=replace&commit=manual", content=b"id,name\n7,new\n")
    s.work()
    assert s.task(task_id)["state"] == State.prepared
    assert items(url) == OLD
    s.call("POST", f"/v1/tasks/{task_id}/stop")
    s.sweep()
    assert s.task(task_id)["state"] == State.stopped
    assert items(url) == OLD


@pytest.mark.parametrize("point", ["branch.mid_data", "branch.after_data", "branch.after_marker"])
def test_old_rows_stay_when_a_replacement_fails(s: Surface, url: str, point: str) -> None:
    failpoints.arm(point, failpoints.Action.fail)
    task_id = s.accepted("mode=replace", content=b"id,name\n7,new\n")
    s.work()
    s.sweep()
    assert s.task(task_id)["state"] != "committed"
    assert items(url) == OLD


def test_old_rows_stay_when_the_last_row_of_a_replacement_does_not_fit(s: Surface, url: str) -> None:
    task = ended(s, "mode=replace", b"id,name\n7,new\n8\n")
    assert (task["state"], task["error"]["code"]) == ("failed", "rows-rejected")
    assert items(url) == OLD


def test_replace_has_one_writer(s: Surface) -> None:
    answer = s.load("mode=replace&writers=2")
    assert answer.status_code == 422
    assert document(answer)["errors"][0]["name"] == "writers"


def test_case_c17_rows_that_do_not_fit_are_left_out_and_all_kept(s: Surface, url: str) -> None:
    """Of the file's own mistakes, of the table's types, and of its constraints."""
    content = b"id,name\n3,ok\n4\nx,bad\n5,a,b\n1,taken\n6,fine\n3,twice\n7,\n8,last\n"
    task = ended(s, "on_error=skip", content)
    assert task["state"] == "committed"
    assert items(url) == [*OLD, (3, "ok"), (6, "fine"), (8, "last")]
    receipt = task["receipt"]
    assert (receipt["rows_read"], receipt["rows_written"], receipt["rows_rejected"]) == (9, 3, 6)
    answer = document(s.call("GET", task["links"]["rejects"]))
    assert answer["total"] == 6
    assert sorted(reject["record"] for reject in answer["rejects"]) == [2, 3, 4, 5, 7, 8]
    whole = s.call("GET", task["links"]["rejects"], headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(whole.text, newline="")))
    whole.close()
    assert sorted(int(row["record"]) for row in rows) == [2, 3, 4, 5, 7, 8]
    assert all(row["reason"] for row in rows)


def test_a_dry_run_tells_which_rows_would_be_left_out(s: Surface, url: str) -> None:
    task = ended(s, "on_error=skip&dry_run=true", b"id,name\n3,ok\nx,bad\n1,taken\n")
    assert task["state"] == "checked"
    s.core.outputs.sweep(datetime.now(UTC))
    answer = document(s.call("GET", task["links"]["rejects"]))
    assert sorted(reject["record"] for reject in answer["rejects"]) == [2, 3]
    assert items(url) == OLD


def test_many_bad_rows_cost_no_good_one(s: Surface, url: str) -> None:
    """Every third of them breaks the key, in blocks of every length."""
    numbers = [n if n % 3 else 1 for n in range(10, 2_000)]
    content = b"id,name\n" + b"".join(b"%d,n\n" % n for n in numbers)
    task = ended(s, "on_error=skip", content)
    good = [n for n in numbers if n != 1]
    assert task["receipt"]["rows_written"] == len(good)
    assert task["receipt"]["rows_rejected"] == len(numbers) - len(good)
    assert [number for number, _ in items(url)] == [1, 2, *good]


@pytest.mark.parametrize(
    ("most", "state"), [("1", "failed"), ("2", "committed"), ("50%", "committed"), ("49%", "failed")]
)
def test_case_c18_the_limit_is_passed_at_the_last_row(s: Surface, url: str, most: str, state: str) -> None:
    task = ended(s, f"on_error=skip&max_rejects={most.replace('%', '%25')}", b"id,name\n3,a\nx,b\n4,c\n1,taken\n")
    assert task["state"] == state
    assert len(items(url)) == (4 if state == "committed" else 2)
    if state == "failed":
        assert f"max_rejects={most}" in task["error"]["detail"]
        kept = document(s.call("GET", task["links"]["rejects"]))
        assert (sorted(reject["record"] for reject in kept["rejects"]), kept["total"]) == ([2, 4], 2)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("max_rejects=5", "max_rejects"),
        ("on_error=skip&max_rejects=x", "max_rejects"),
        ("on_error=ignore", "on_error"),
        ("mode=upsert", "key"),
        ("mode=upsert&key=name", "key"),
        ("mode=upsert&key=nothing", "key"),
        ("mode=upsert&key=id&writers=2", "writers"),
        ("key=id", "key"),
        ("mode=merge", "mode"),
        ("columns=nothing:name", "columns"),
        ("ignore=nothing", "ignore"),
        ("format=pdf", "format"),
    ],
)
def test_what_cannot_be_is_refused_by_name(s: Surface, url: str, query: str, parameter: str) -> None:
    answer = s.load(query)
    assert answer.status_code == 422
    assert document(answer)["errors"][0]["name"] == parameter
    assert items(url) == OLD


def test_fields_are_renamed_and_ignored(s: Surface, url: str) -> None:
    task = ended(s, "columns=No.:id,Name:name&ignore=junk", b"No.,junk,Name\n3,?,ruler\n")
    assert task["state"] == "committed"
    assert items(url) == [*OLD, (3, "ruler")]


def test_a_file_without_a_header_goes_by_position(s: Surface, url: str) -> None:
    task = ended(s, "header=false&columns=name,id&delimiter=%3B", b"ruler;3\n")
    assert task["state"] == "committed"
    assert items(url) == [*OLD, (3, "ruler")]


def test_a_new_table_is_named_by_the_mapping(s: Surface, url: str) -> None:
    task_id = s.accepted("create=true&columns=A:a&ignore=b", table="made", content=b"A,b,c\n1,x,2.5\n")
    s.work()
    assert s.task(task_id)["state"] == "committed"
    assert run(url, "SELECT a, c FROM made") == [(1, 2.5)]


def test_upsert_changes_rows_by_their_key_and_inserts_the_others(s: Surface, url: str) -> None:
    task = ended(s, "mode=upsert&key=id&count=true", b"id,name\n2,blue ink\n3,ruler\n3,long ruler\n")
    assert task["state"] == "committed"
    assert task["receipt"]["counts"] == {"before": 2, "after": 3}
    assert items(url) == [(1, "pen"), (2, "blue ink"), (3, "long ruler")]


@pytest.mark.parametrize("point", ["branch.mid_data", "branch.after_data", "branch.after_marker"])
def test_rows_are_as_they_were_when_an_upsert_fails(s: Surface, url: str, point: str) -> None:
    failpoints.arm(point, failpoints.Action.fail)
    task_id = s.accepted("mode=upsert&key=id", content=b"id,name\n1,new\n9,more\n")
    s.work()
    s.sweep()
    assert s.task(task_id)["state"] != "committed"
    assert items(url) == OLD


def test_rows_that_an_upsert_cannot_take_are_left_out(s: Surface, url: str) -> None:
    task = ended(s, "mode=upsert&key=id&on_error=skip", b"id,name\n1,a\nx,b\n,c\n4,\n5,e\n")
    assert task["state"] == "committed"
    assert items(url) == [(1, "a"), (2, "ink"), (5, "e")]
    answer = document(s.call("GET", task["links"]["rejects"]))
    assert sorted(reject["record"] for reject in answer["rejects"]) == [2, 3, 4]


def test_a_new_table_has_the_key(s: Surface, url: str) -> None:
    """So that the file can be loaded again, and changes nothing then."""
    content = b"a,b\n1,x\n2,y\n2,z\n"
    for _ in range(2):
        task_id = s.accepted("create=true&mode=upsert&key=a", table="made", content=content)
        s.work()
        assert s.task(task_id)["state"] == "committed"
        assert run(url, "SELECT a, b FROM made ORDER BY a") == [(1, "x"), (2, "z")]


def test_a_doubled_key_of_a_new_table_is_named(s: Surface, url: str) -> None:
    task_id = s.accepted("create=true&key=a", table="made", content=b"a,b\n1,x\n1,y\n")
    s.work()
    task = s.task(task_id)
    assert (task["state"], task["error"]["code"]) == ("failed", "rows-rejected")
    assert "record 2" in task["error"]["detail"]


def test_the_key_of_a_new_table_is_among_its_columns(s: Surface) -> None:
    answer = s.load("create=true&key=c", table="made", content=b"a,b\n1,x\n")
    assert (answer.status_code, document(answer)["errors"][0]["name"]) == (422, "key")
    assert "no column 'c'" in document(answer)["detail"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_row_that_the_table_skips_without_a_word_is_left_out_and_told(s: Surface, url: str) -> None:
    run(url, "CREATE TRIGGER skips BEFORE INSERT ON items WHEN new.id = 4 BEGIN SELECT RAISE(IGNORE); END")
    content = b"id,name\n3,a\n4,b\n5,c\n6,d\n"
    task = ended(s, "on_error=skip", content)
    assert items(url) == [*OLD, (3, "a"), (5, "c"), (6, "d")]
    (reject,) = document(s.call("GET", task["links"]["rejects"]))["rejects"]
    assert reject["record"] == 2
    assert "took 0 of 1 rows" in reject["reason"]
    task = ended(s, "", content)
    assert (task["state"], len(items(url))) == ("failed", 5)
