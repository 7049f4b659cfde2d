"""NaN and the infinities, into tables that a load makes: PostgreSQL has them, the others refuse them by name."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.surface import Surface, document, real_surface

from rescind.domain.states import State
from rescind.errors import UnknownTable

#: NULL is none of them, and stays what it is.
VALUES = [1.5, float("nan"), None, float("inf"), float("-inf"), 5e-324]
NOT_FINITE = {2: "nan", 4: "inf", 5: "-inf"}  #: by record


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def s(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Surface]:
    url = f"sqlite:///{tmp_path}/data.db" if server == "sqlite" else str(request.getfixturevalue(f"{server}_url"))
    with real_surface(tmp_path / "home", default=url) as made:
        yield made


def file_of(form: str) -> bytes:
    table = pa.table({"id": range(1, len(VALUES) + 1), "r": pa.array(VALUES, pa.float64())})
    sink = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def loaded(s: Surface, form: str, query: str) -> dict[str, Any]:
    task_id = s.accepted(f"create=true&{query}", table="made", content=file_of(form))
    s.work()
    return s.task(task_id)


def stored(s: Surface) -> dict[int, str]:
    with s.core.targets["default"].catalog().rows("made") as batches:
        return {row["id"]: str(row["r"]) for batch in batches for row in batch.to_pylist()}


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_case_c11_a_table_that_is_made_takes_what_its_database_has(s: Surface, server: str, form: str) -> None:
    task = loaded(s, form, "")
    if server == "postgresql":
        assert task["state"] == State.committed
        assert stored(s) == {record: str(value) for record, value in enumerate(VALUES, 1)}
        return
    assert (task["state"], task["error"]["code"]) == (State.failed, "rows-rejected")
    for named in ("record 2", "column r", "neither nan nor an infinity", "'nan'"):
        assert named in task["error"]["detail"].lower()
    with pytest.raises(UnknownTable):
        stored(s)


@pytest.mark.parametrize("server", ["sqlite", "mariadb"], indirect=True)
def test_case_c11_each_is_left_out_by_name_where_that_is_asked_for(s: Surface) -> None:
    task = loaded(s, "parquet", "on_error=skip")
    assert (task["state"], task["receipt"]["rows_rejected"]) == (State.committed, 3)
    rejects = document(s.call("GET", task["links"]["rejects"]))["rejects"]
    assert [reject["record"] for reject in rejects] == list(NOT_FINITE)
    for reject, value in zip(rejects, NOT_FINITE.values(), strict=True):
        assert f"'{value}'" in reject["reason"]
    assert stored(s) == {1: "1.5", 3: "None", 6: "5e-324"}
