from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from rescind.cli.progress import describe, view


def document(state: str = "running", **more: Any) -> dict[str, Any]:
    progress = {"phase": "writing", "rows": 50, "rows_total": 100, "bytes": 0, "rows_per_second": 10.0}
    return {"id": "T", "state": state, "done": False, "stop_requested": False, "progress": progress} | more


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_where_nobody_looks_one_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    with view(silent=False) as seen:
        seen.sent(1, 2)
        seen.sent(2, 2)
        seen.task(document())
        seen.task(document())
        seen.task(document("committed"))
    assert capsys.readouterr().err.splitlines() == ["sent 2 bytes", "task T: running", "task T: committed"]


def test_nothing_beside_json(capsys: pytest.CaptureFixture[str]) -> None:
    with view(silent=True) as seen:
        seen.sent(2, 2)
        seen.task(document())
    assert capsys.readouterr() == ("", "")


def test_a_bar_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with view(silent=False) as seen:
        seen.sent(1, 2)
        seen.task(document())
    shown = terminal.getvalue()
    assert "running" in shown
    assert "50%" in shown
    assert "50 rows · 10/s" in shown


def test_a_bar_without_a_known_total(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with view(silent=False) as seen:
        seen.task(document(progress={"phase": "writing", "rows": 7, "bytes": 0, "rows_per_second": 0.0}))
    assert "7 rows" in terminal.getvalue()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "running"),
        ({"stop_requested": True}, "running, being stopped"),
        ({"state": "queued", "waiting_for": "target default: down"}, "queued, waiting for target default: down"),
        ({"state": "stopped", "stop_requested": True, "done": True}, "stopped"),
    ],
)
def test_a_task_in_words(more: dict[str, Any], words: str) -> None:
    assert describe(document() | more) == words
