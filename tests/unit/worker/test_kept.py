from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.waiting import until

from rescind.worker import kept
from rescind.worker.kept import Command, Kept


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[list[Kept]]:
    """Whatever a test puts here is ended."""
    started: list[Kept] = []
    yield started
    for child in started:
        child.kill()


def run(shell: list[Kept], tmp_path: Path, script: str) -> Kept:
    child = Kept(Command("api", ("/bin/sh", "-c", script)), tmp_path)
    shell.append(child)
    child.start()
    return child


def ended(child: Kept) -> str:
    until(lambda: not child.running, "the end of the process")
    return child.ended() or ""


def test_what_it_prints_is_in_its_log(shell: list[Kept], tmp_path: Path) -> None:
    ended(run(shell, tmp_path, "echo out; echo err >&2"))
    assert (tmp_path / "api.log").read_text() == "out\nerr\n"


def test_an_end_is_told_once(shell: list[Kept], tmp_path: Path) -> None:
    child = run(shell, tmp_path, "exit 3")
    assert "left with exit code 3" in ended(child)
    assert child.ended() is None


def test_who_runs_has_not_ended(shell: list[Kept], tmp_path: Path) -> None:
    assert run(shell, tmp_path, "exec sleep 60").ended() is None


def test_who_was_killed_is_started_at_once(shell: list[Kept], tmp_path: Path) -> None:
    child = run(shell, tmp_path, "exec sleep 60")
    child.kill()
    assert "was ended by SIGKILL; starting it again" in (child.ended() or "")


def test_who_leaves_early_gets_longer_pauses_up_to_a_limit(shell: list[Kept], tmp_path: Path) -> None:
    child = run(shell, tmp_path, "exit 1")
    pauses = [ended(child).rpartition("starting it ")[2]]
    for _ in range(6):
        child.start()
        pauses.append(ended(child).rpartition("starting it ")[2])
    assert pauses == ["again", "again", "in 1 s", "in 2 s", "in 4 s", "in 8 s", "in 10 s"]


def test_killing_takes_the_whole_group(shell: list[Kept], tmp_path: Path) -> None:
    child = run(shell, tmp_path, "sleep 60 & echo $!; wait")
    grandchild = int(until((tmp_path / "api.log").read_text, "the grandchild"))
    child.kill()
    until(lambda: not Path(f"/proc/{grandchild}/cmdline").exists() or _is_zombie(grandchild), "its end")


def test_a_long_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LOG_BYTES", 3)
    log = tmp_path / "api.log"
    for text in ("old!", "new", "newer"):
        log.write_text(text)
        kept.rotate(log)
    assert (tmp_path / "api.log.1").read_text() == "newer"
    assert not log.exists()


def test_a_child_hears_the_signals_that_its_parent_holds_back(shell: list[Kept], tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = run(shell, tmp_path, "exec sleep 60")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    child.terminate()
    assert "was ended by SIGTERM" in ended(child)


def test_a_child_is_in_a_session_of_its_own(shell: list[Kept], tmp_path: Path) -> None:
    run(shell, tmp_path, "echo $$; exec sleep 60")
    pid = int(until((tmp_path / "api.log").read_text, "its number"))
    assert os.getsid(pid) == pid


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
