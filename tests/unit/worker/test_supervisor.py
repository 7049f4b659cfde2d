"""The supervisor's rules, on shell commands: in a process of its own, as it handles that process's signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.waiting import until

PROGRAM = """
import json, sys
from pathlib import Path
from rescind.worker.kept import Command
from rescind.worker.supervisor import Supervisor

first, logs, *scripts = json.loads(sys.argv[1])
shell = lambda name, script: Command(name, ("/bin/sh", "-c", script))
commands = [shell(f"c{place}", script) for place, script in enumerate(scripts)]
supervisor = Supervisor(shell("first", first), commands, Path(logs), lambda text: print("said", text, flush=True))
sys.exit(supervisor.run(lambda: True, lambda: print("ready", flush=True), tail=True))
"""

STAYS = "exec sleep 60"
STUBBORN = "trap '' TERM; echo stubborn; while :; do sleep 0.1; done"


@pytest.fixture
def supervisors() -> Iterator[list[subprocess.Popen[str]]]:
    """Whatever a test puts here is ended."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def supervise(
    supervisors: list[subprocess.Popen[str]], logs: Path, *scripts: str, first: str = "true"
) -> subprocess.Popen[str]:
    argument = json.dumps([first, str(logs), *scripts])
    argv = [sys.executable, "-c", PROGRAM, argument]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    supervisors.append(process)
    return process


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_it_is_ready_once(supervisors: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    process = supervise(supervisors, tmp_path, STAYS)
    assert line(process) == "ready"
    process.terminate()
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == 0


def test_if_the_first_fails_nothing_is_started(supervisors: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    process = supervise(supervisors, tmp_path, STAYS, first="echo why >&2; exit 7")
    assert process.communicate(timeout=20) == ("", "why\n")
    assert process.returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_ended_while_the_first_runs(supervisors: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    process = supervise(supervisors, tmp_path, STAYS, first="echo begun; exec sleep 60")
    assert line(process) == "begun"
    process.terminate()
    assert process.wait(20) == 0


def test_one_that_leaves_is_started_again(supervisors: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    process = supervise(supervisors, tmp_path, "echo once; exit 3")
    said = next(text for text in iter(lambda: line(process), "") if text != "ready")
    assert said.startswith("said rescind c0 (process ")
    assert said.endswith(f"left with exit code 3; starting it again. Its log: {tmp_path / 'c0.log'}")
    until(lambda: (tmp_path / "c0.log").read_text().count("once") > 1, "the second start")


def test_they_are_ended_in_order(supervisors: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    leaves = "trap 'echo {0} >> {1}; exit' TERM; echo up; while :; do sleep 0.02; done"
    order = tmp_path / "order"
    process = supervise(supervisors, tmp_path, *(leaves.format(name, order) for name in ("a", "b", "c")))
    until(lambda: [log.read_text() for log in tmp_path.glob("c*.log")] == ["up\n"] * 3, "all three")
    process.terminate()
    assert process.wait(20) == 0
    assert order.read_text().split() == ["a", "b", "c"]


def test_a_second_signal_ends_the_patience(supervisors: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    process = supervise(supervisors, tmp_path, STUBBORN, "trap 'echo asked' TERM; echo up; while :; do sleep 0.1; done")
    log = tmp_path / "c1.log"
    until(lambda: log.exists() and "up" in log.read_text(), "the second command")
    process.send_signal(signal.SIGINT)
    until(lambda: "asked" in log.read_text(), "the second command to be asked, although the first is still there")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_what_is_logged_is_repeated(supervisors: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    process = supervise(supervisors, tmp_path, f"echo hello; {STAYS}")
    assert process.stderr is not None
    assert process.stderr.readline() == "hello\n"
