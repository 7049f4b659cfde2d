"""What a user command makes of the answers that a service, or something else, gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.unit.cli.conftest import serving

from rescind.cli.main import main

PROBLEM = {"status": 409, "detail": "What happened.", "advice": "What helps.", "code": "x"}


@dataclass
class Peer:
    """Answers every request with `status`, `kind` and `body`; keeps what it was sent."""

    url: str = ""
    status: int = 200
    kind: str = "application/json"
    body: bytes = b"{}"
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.asked.append((f"{request.command} {request.path}", dict(request.headers), body))
        if not self.status:
            return  # close without a word
        request.send_response(self.status)
        request.send_header("Content-Type", self.kind)
        request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        request.wfile.write(self.body)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    found = Peer()
    with serving(found.answer) as found.url:
        monkeypatch.setenv("RESCIND_URL", found.url)
        yield found


def refuse(peer: Peer, **more: object) -> None:
    problem = PROBLEM | more
    peer.status, peer.kind, peer.body = (
        int(str(problem["status"])),
        "application/problem+json",
        json.dumps(problem).encode(),
    )


def test_a_refusal_in_its_own_words(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(peer)
    assert main(["stop", "T"]) == 1
    assert capsys.readouterr().err == "rescind: What happened.\nThis request changed nothing.\nWhat helps.\n"


def test_a_refused_look_changes_nothing_anyway(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(peer, status=404)
    assert main(["show", "T"]) == 1
    assert capsys.readouterr().err == "rescind: What happened.\nWhat helps.\n"


def test_after_a_server_error_nothing_is_certain(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(peer, status=500)
    assert main(["retry", "T"]) == 1
    assert "It is not known whether the request was carried out." in capsys.readouterr().err


@pytest.mark.parametrize("status", [200, 404, 502])
def test_something_else_answers(peer: Peer, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    peer.status, peer.kind, peer.body = status, "text/html", b"<h1>It works!</h1>"
    assert main(["tasks"]) == 5
    assert f"is not Rescind (status {status})" in capsys.readouterr().err


def test_the_connection_breaks(peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peer.status = 0
    file = tmp_path / "a.csv"
    file.write_text("a\n1\n")
    assert main(["load", str(file), "--into", "t"]) == 5
    said = capsys.readouterr().err
    key = peer.asked[0][1]["Idempotency-Key"]
    assert "It is not known whether the request was carried out." in said
    assert f"--idempotency-key {key}" in said


def test_an_id_stays_within_its_place_in_the_path(peer: Peer) -> None:
    refuse(peer, status=404)
    main(["show", "../tables?x=1"])
    assert peer.asked[0][0] == "GET /v1/tasks/..%2Ftables%3Fx%3D1"


@pytest.mark.parametrize(
    ("name", "content", "kind", "encoding"),
    [
        ("a.csv", b"a\n1\n", "text/csv", None),
        ("a.txt", b"a\n1\n", "text/csv", None),
        ("a", b"a\n1\n", "text/csv", None),
        ("a.csv.gz", b"\x1f\x8brest", "text/csv", "gzip"),
        ("a.csv", b"\x1f\x8brest", "text/csv", "gzip"),
        ("a.json", b"[]", "application/json", None),
        ("a.tsv.zst", b"\x28\xb5\x2f\xfdrest", "text/tab-separated-values", "zstd"),
        ("a.jsonl.xz", b"\xfd7zXZ\0", "application/x-ndjson", None),
        ("a.parquet", b"PAR1", "application/vnd.apache.parquet", None),
        ("a.pdf", b"%PDF", "application/pdf", None),
        ("a.csv", b"", "text/csv", None),
    ],
)
def test_a_file_is_sent_as_what_it_is(
    peer: Peer, tmp_path: Path, name: str, content: bytes, kind: str, encoding: str | None
) -> None:
    refuse(peer)
    (tmp_path / name).write_bytes(content)
    assert main(["load", str(tmp_path / name), "--into", "my table", "--create"]) == 1
    line, headers, body = peer.asked[0]
    assert line == "POST /v1/tables/my%20table/rows?create=true"
    assert (headers["Content-Type"], headers.get("Content-Encoding")) == (kind, encoding)
    assert headers["Content-Length"] == str(len(content))
    assert body == content


def test_what_comes_from_a_pipe_is_sent_with_its_length(peer: Peer) -> None:
    refuse(peer)
    program = "from rescind.cli.main import main; main(['load', '-', '--into', 't'])"
    content = b"a\n" + b"1\n" * 1_000_000
    subprocess.run([sys.executable, "-c", program], input=content, check=True, capture_output=True)
    _, headers, body = peer.asked[0]
    assert (headers["Content-Length"], headers["Content-Type"]) == (str(len(content)), "text/csv")
    assert body == content


def test_a_refusal_as_json_where_the_answer_would_be(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(peer, rejected=3)
    assert main(["retry", "T", "--json"]) == 1
    said = {"done": "This request changed nothing.", "rejected": 3}
    assert json.loads(capsys.readouterr().out) == {"error": PROBLEM | said}


def test_what_is_found_out_here_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "T", "--json", "--url", "nowhere"]) == 2
    assert "not the address" in json.loads(capsys.readouterr().out)["error"]["detail"]
