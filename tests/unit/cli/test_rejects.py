"""The rejected rows as CSV: under their name when all of them are there, and nothing else."""

from __future__ import annotations

import csv
import io
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.support.surface import Surface
from tests.unit.cli.conftest import here, serving

from rescind.cli import rejects
from rescind.cli.main import main
from rescind.tasks import rejecting

HEAD = ["record", "column", "value", "reason"]
BAD = b"id,name\none,x\n2,y\nthree,z\n"

pytestmark = pytest.mark.usefixtures("_here")


def loaded(s: Surface, query: str = "") -> str:
    """A load of which the first and the third record do not fit."""
    task_id = s.accepted(query, content=BAD)
    s.work()
    return task_id


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    capsys.readouterr()
    assert main(["rejects", *arguments]) == code
    return capsys.readouterr().err


@pytest.mark.parametrize("query", ["", "on_error=skip"])
def test_they_are_put_into_a_file_wherever_they_are_kept(
    s: Surface, capsys: pytest.CaptureFixture[str], query: str
) -> None:
    task_id = loaded(s, query)
    capsys.readouterr()
    assert main(["rejects", task_id, "--csv"]) == 0
    found = rows(Path("rejects.csv").read_text())
    assert found[0] == HEAD
    assert [row[:3] for row in found[1:]] == [["1", "id", "one"], ["3", "id", "three"]]
    assert capsys.readouterr().out == f"rejects.csv: {Path('rejects.csv').stat().st_size} bytes\n"
    assert here() == ["rejects.csv"]


def test_the_service_calls_the_file_so_too(s: Surface) -> None:
    for task_id in (loaded(s), loaded(s, "on_error=skip")):
        with s.call("GET", f"/v1/tasks/{task_id}/rejects", headers={"Accept": "text/csv"}) as answer:
            assert answer.headers["Content-Disposition"] == f"attachment; filename={rejects.FILE_NAME}"
    assert rejects.FILE_NAME == rejecting.FILE_NAME


def test_standard_output_gets_the_bytes_and_nothing_else(s: Surface, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    task_id = loaded(s)
    capfdbinary.readouterr()
    assert main(["rejects", task_id, "--csv", "--to", "-"]) == 0
    answer = s.call("GET", f"/v1/tasks/{task_id}/rejects", headers={"Accept": "text/csv"})
    assert capfdbinary.readouterr().out == answer.data
    assert here() == []


def test_a_file_is_replaced_only_where_it_was_named(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    task_id = loaded(s)
    Path("rejects.csv").write_text("mine")
    assert "There is a file rejects.csv already" in complaint(capsys, task_id, "--csv", code=2)
    assert Path("rejects.csv").read_text() == "mine"
    assert main(["rejects", task_id, "--csv", "--to", "rejects.csv"]) == 0
    assert rows(Path("rejects.csv").read_text())[0] == HEAD


def test_what_goes_not_together_is_said(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--to is for --csv" in complaint(capsys, "x", "--to", "a.csv", code=2)
    assert "--json" in complaint(capsys, "x", "--csv", "--json", code=2)


def test_what_the_service_refuses_leaves_no_file(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No task" in complaint(capsys, "nothing", "--csv", code=1)
    assert "cannot be written" in complaint(capsys, loaded(s), "--csv", "--to", "no/where.csv", code=1)
    assert here() == []


def break_off(request: BaseHTTPRequestHandler) -> None:
    """Announce more than is sent."""
    request.send_response(200)
    request.send_header("Content-Type", "text/csv")
    request.send_header("Content-Length", "100")
    request.end_headers()
    request.wfile.write(b"record,column")


def test_a_connection_that_breaks_leaves_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(break_off) as url:
        assert "broke" in complaint(capsys, "x", "--csv", "--url", url, code=5)
    assert here() == []
