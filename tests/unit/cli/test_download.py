"""Exports and downloads from the command line: whole or not at all, gone on with after a break, never a half file."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.support.surface import Surface
from tests.unit.cli.conftest import here, serving

from rescind.cli import download
from rescind.cli.export import FormatName
from rescind.cli.main import main
from rescind.tasks.export import FORMATS

FILE = b'"id","name"\r\n1,"x"\r\n2,"y"\r\n3,"z"\r\n'
DATA = bytes(range(256)) * 4_000

pytestmark = pytest.mark.usefixtures("_here")


@pytest.fixture
def s(s: Surface) -> Surface:
    """With three rows in `items`."""
    s.accepted()
    s.work()
    return s


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    capsys.readouterr()
    assert main([*arguments]) == code
    return capsys.readouterr().err


def test_an_export_ends_with_the_file(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    with s.at_work():
        assert main(["export", "items"]) == 0
    assert Path("items.csv").read_bytes() == FILE
    assert here() == ["items.csv"]
    printed = capsys.readouterr().out
    assert hashlib.sha256(FILE).hexdigest() in printed
    assert "items.csv: 34 bytes" in printed


def test_options_say_what_is_wanted_and_the_name_of_the_file_in_which_format(
    s: Surface, capsys: pytest.CaptureFixture[str]
) -> None:
    with s.at_work():
        assert main(["export", "items", "--columns", "name,id", "--limit", "1", "--to", "a.ndjson"]) == 0
        assert main(["export", "items", "--spreadsheet"]) == 0
        assert main(["export", "items", "--format", "parquet", "--to", "x.csv", "--target", "archive"]) == 0
    assert Path("a.ndjson").read_bytes() == b'{"name":"x","id":1}\n'
    assert Path("items.spreadsheet.csv").read_bytes() == FILE
    assert Path("x.csv").read_bytes()[:4] == b"PAR1"


def test_standard_output_gets_the_bytes_and_nothing_else(s: Surface, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with s.at_work():
        assert main(["export", "items", "--to", "-"]) == 0
    assert capfdbinary.readouterr().out == FILE


def test_json_tells_of_the_task(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    with s.at_work():
        assert main(["export", "items", "--json"]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        task = json.loads(printed.out)
        assert main(["download", task["id"], "--to", "again.csv"]) == 0
        assert main(["show", task["id"]]) == 0
    assert "items.csv, 34 bytes, SHA-256" in capsys.readouterr().out
    assert Path("again.csv").read_bytes() == FILE
    assert "print" in complaint(capsys, "export", "items", "--json", "--to", "-", code=2)


def test_a_file_of_that_name_is_replaced_only_where_it_was_named(
    s: Surface, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("items.csv").write_text("mine")
    with s.at_work():
        assert "There is a file items.csv already" in complaint(capsys, "export", "items", code=2)
        assert Path("items.csv").read_text() == "mine"
        assert main(["export", "items", "--to", "items.csv"]) == 0
    assert Path("items.csv").read_bytes() == FILE


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "no table 'nowhere'"),
        (["items", "--columns", "x"], "no column 'x'"),
        (["items", "--limit", "0"], "limit"),
    ],
)
def test_what_the_service_refuses_is_said(
    s: Surface, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in complaint(capsys, "export", *arguments, code=1)
    assert here() == []


def test_a_task_that_has_no_file_or_not_yet(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    (task,) = s.call("GET", "/v1/tasks").json["tasks"]  # type: ignore[index]
    assert "made no file" in complaint(capsys, "download", task["id"], code=1)
    task_id = s.call("POST", "/v1/tasks", json={"task": "export", "args": {"table": "items"}}).json["id"]  # type: ignore[index]
    assert "is queued" in complaint(capsys, "download", task_id, code=1)
    s.call("POST", f"/v1/tasks/{task_id}/stop")
    assert "is stopped" in complaint(capsys, "download", task_id, code=1)
    assert here() == []


def test_a_directory_that_is_not_there(s: Surface, capsys: pytest.CaptureFixture[str]) -> None:
    with s.at_work():
        said = complaint(capsys, "export", "items", "--to", "nowhere/x.csv", code=1)
    assert "nowhere/x.csv cannot be written: No such file or directory." in said


def test_the_formats_are_those_of_the_task() -> None:
    assert set(get_args(FormatName)) == FORMATS.keys()


@dataclass
class Peer:
    """A service with one task, whose file is sent in pieces of `most` bytes: then the connection breaks."""

    data: bytes = DATA
    most: int = len(DATA)
    asked: list[str | None] = field(default_factory=list)
    ranges: bool = True

    def document(self) -> dict[str, Any]:
        output = {"filename": "a.bin", "length": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
        links = {"download": "/v1/tasks/t/download"}
        return {"id": "t", "state": "committed", "done": True, "links": links, "receipt": {"outputs": [output]}}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if not request.path.endswith("/download"):
            send(request, 200, json.dumps(self.document()).encode(), "application/json")
            return
        asked = request.headers["Range"]
        self.asked.append(asked)
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        send(request, 206 if first else 200, self.data[first:], "application/octet-stream", self.most)


def send(request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str, most: int | None = None) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[:most])
    request.close_connection = True


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)
    found = Peer()
    with serving(found.answer) as url:
        monkeypatch.setenv("RESCIND_URL", url)
        yield found


def test_a_connection_that_breaks_is_gone_on_with(peer: Peer) -> None:
    peer.most = len(DATA) // 3
    assert main(["download", "t"]) == 0
    assert Path("a.bin").read_bytes() == DATA
    assert here() == ["a.bin"]
    assert peer.asked[0] is None
    assert len(peer.asked) >= 4
    assert all(asked is not None and asked.startswith("bytes=") for asked in peer.asked[1:])


def test_a_service_that_stays_away_leaves_no_half_file_under_the_name_and_the_next_call_goes_on(
    peer: Peer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ABSENCE_SECONDS", -1.0)
    peer.most = 1000
    said = complaint(capsys, "download", "t", code=5)
    assert "rescind download t" in said
    assert here() == [".a.bin.t.part"]
    kept = Path(".a.bin.t.part").read_bytes()
    assert kept
    assert DATA.startswith(kept)
    peer.most = len(DATA)
    assert main(["download", "t"]) == 0
    assert peer.asked[-1] == f"bytes={len(kept)}-"
    assert Path("a.bin").read_bytes() == DATA
    assert here() == ["a.bin"]


@pytest.mark.parametrize("data", [b"x" + DATA[1:], DATA + b"x"])
def test_other_bytes_than_the_task_made_are_thrown_away(
    peer: Peer, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    peer.data, peer.most = data, len(data)
    assert "are not those that the task made" in complaint(capsys, "download", "t", code=1)
    assert here() == []


def test_a_service_that_sends_all_again_is_not_appended_to(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.most, peer.ranges = len(DATA) // 2, False
    assert "another file" in complaint(capsys, "download", "t", code=1)
    assert here() == []


def test_ctrl_c_keeps_what_has_come(
    peer: Peer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any, piece: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download._Receiver, "_count", interrupted)
        assert "The download was ended." in complaint(capsys, "download", "t", code=130)
    assert here() == [".a.bin.t.part"]
    assert main(["download", "t"]) == 0
    assert Path("a.bin").read_bytes() == DATA


def test_a_disk_that_is_full_is_said(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        said = complaint(capsys, "download", "t", "--to", "b", code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "b cannot be written: File too large." in said
    assert not Path("b").exists()
