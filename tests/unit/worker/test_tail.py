from __future__ import annotations

from pathlib import Path

import pytest

from rescind.worker.tail import Tail


def test_only_what_is_added_is_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    tail = Tail([log, tmp_path / "not-there"])
    tail.copy()
    with log.open("a") as more:
        more.write("after\n")
    tail.copy()
    tail.copy()
    assert capsys.readouterr().err == "after\n"


def test_a_file_begun_anew_is_read_from_its_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("a long line of before\n")
    tail = Tail([log])
    log.write_text("anew\n")
    tail.copy()
    assert capsys.readouterr().err == "anew\n"
