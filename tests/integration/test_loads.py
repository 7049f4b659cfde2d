"""Loads, from the bytes to the table: what the task adds to reading and writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support import formats, workbooks
from tests.support.inprocess import InProcess, in_process

from rescind import failpoints
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.ledger import rejects


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[InProcess]:
    with in_process(tmp_path / "home") as running:
        running.sql("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        running.sql("INSERT INTO items VALUES (1, 'pen')")
        yield running
    failpoints.disarm()


def loaded(shop: InProcess, table: str, content: bytes, **args: object) -> Task:
    task_id = shop.load(table, content, **args)
    shop.drain()
    return shop.get(task_id)


def kept(shop: InProcess, task: Task) -> list[str]:
    with shop.core.ledger.read() as connection:
        return [str(reject) for reject in rejects.of_task(connection, task.id)]


def test_case_13_a_duplicate_key_in_the_last_row_is_named_and_nothing_is_loaded(shop: InProcess) -> None:
    rows = b"".join(b"%d,name %d\n" % (n, n) for n in range(2, 120_000))
    task = loaded(shop, "items", b"id,name\n" + rows + b"1,ink\n")
    assert task.state is State.failed
    assert task.problem is not None
    assert task.problem.code == "rows-rejected"
    (reject,) = kept(shop, task)
    assert reject.startswith("record 119999: breaks a constraint: SQLite: UNIQUE constraint failed: items.id")
    assert shop.sql("SELECT * FROM items") == [(1, "pen")]


def test_the_table_that_a_failed_load_would_have_made_is_not_there(shop: InProcess) -> None:
    task = loaded(shop, "made", b"a,b\n1,2\n3\n", create=True)
    assert task.state is State.failed
    assert kept(shop, task) == ["record 2: 1 fields where 2 are expected ('3')"]
    assert shop.sql("SELECT name FROM sqlite_master WHERE name = 'made'") == []


def test_counts_before_and_after_are_in_the_receipt(shop: InProcess) -> None:
    task = loaded(shop, "items", b"name\nink\n", count=True)
    assert task.receipt is not None
    assert task.receipt["counts"] == {"before": 1, "after": 2}


def test_case_7_a_header_alone_loads_no_rows(shop: InProcess) -> None:
    task = loaded(shop, "items", b"id,name\n")
    assert task.state is State.committed
    assert task.receipt is not None
    assert task.receipt["rows_written"] == 0


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_file_of_another_kind_makes_no_table_of_one_column(shop: InProcess, mark: str) -> None:
    task = loaded(shop, "made", f"id{mark}name\n1{mark}pen\n".encode(), create=True)
    assert task.state is State.failed
    assert task.problem is not None
    assert "not by a comma" in task.problem.detail


def test_the_progress_of_a_finished_load_is_all_of_it(shop: InProcess) -> None:
    content = b"id,name\n2,ink\n"
    task = loaded(shop, "items", content)
    assert (task.progress.phase, task.progress.rows, task.progress.bytes) == ("done", 1, len(content))
    assert task.progress.bytes_total == len(content)


def csv(name: str, rows: int) -> bytes:
    return b"id,name\n" + b"".join(b"%d,%s %d\n" % (n, name.encode(), n) for n in range(2, rows + 2))


def table(name: str, rows: int) -> pa.Table:
    return pa.table({"id": range(2, rows + 2), "name": [f"{name} {n}" for n in range(rows)]})


def parquet(name: str, rows: int) -> bytes:
    return formats.parquet(table(name, rows), compression="none", write_statistics=False)


def sheet(name: str, rows: int) -> list[tuple[object, ...]]:
    return [("id", "name"), *((n + 2, f"{name} {n}") for n in range(rows))]


def workbook(data: bytes, length: int) -> bytes:
    """The same with a comment at the end of the archive, so that its length does not depend on what is in it."""
    comment = bytes(length - len(data))
    return data[:-2] + len(comment).to_bytes(2, "little") + comment


@pytest.mark.parametrize("rows", [2, 300])
@pytest.mark.parametrize(
    "made",
    [
        csv,
        parquet,
        lambda name, rows: formats.arrow(table(name, rows)),
        lambda name, rows: formats.arrow(table(name, rows), stream=True),
        lambda name, rows: workbook(workbooks.xlsx(sheet(name, rows)), 30_000),
        lambda name, rows: workbook(workbooks.ods(sheet(name, rows)), 2_000 + 20 * rows),
    ],
    ids=["csv", "parquet", "arrow", "arrow stream", "xlsx", "ods"],
)
def test_bytes_that_are_changed_while_they_are_loaded_change_nothing(
    shop: InProcess, made: Callable[[str, int], bytes], rows: int
) -> None:
    """Of the small files the first look at their format was a pass over all bytes."""
    received, other = made("ink", rows), made("oil", rows)
    assert len(received) == len(other)

    def change() -> None:
        [upload] = shop.core.settings.uploads_directory().iterdir()
        assert upload.read_bytes() == received
        upload.write_bytes(other)

    failpoints.arm("load.checked", change)
    task = loaded(shop, "items", received)
    assert task.state is State.failed
    assert task.problem is not None
    assert task.problem.code == "input-changed"
    assert shop.sql("SELECT * FROM items") == [(1, "pen")]
