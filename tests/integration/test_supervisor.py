"""`rescind up` as processes: who may start, who is started again, and who is gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx2
import psutil
import pytest
from tests.support.stack import KINDS, Stack, command, environment, up
from tests.support.waiting import until

pytestmark = pytest.mark.stack


def run_up(home: Path, port: int = 0) -> subprocess.CompletedProcess[str]:
    """A `rescind up` that is expected to leave by itself."""
    argv = command("up", "--port", str(port), "--home", home)
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, timeout=60, env=environment(), cwd=home.parents[-1]
    )


def is_healthy(running: Stack) -> bool:
    try:
        return httpx2.get(f"{running.url}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def all_gone(processes: list[psutil.Process]) -> bool:
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


def test_the_processes_have_their_command_lines(stack: Stack) -> None:
    for kind in KINDS:
        stack.of_kind(kind)


def test_everything_is_kept_in_the_home(stack: Stack) -> None:
    names = {path.name for path in stack.home.iterdir()}
    assert {"ledger.db", "lock", "logs"} <= names
    assert {path.name for path in stack.home.parent.iterdir()} <= {"home", "home.out", "home.err"}


def test_25_a_second_up_on_one_home_names_the_first(stack: Stack) -> None:
    second = run_up(stack.home)
    assert second.returncode == 3
    assert f"process {stack.process.pid} has it" in second.stderr
    assert is_healthy(stack)


def test_25_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = run_up(tmp_path / "home", port)
    assert refused.returncode == 3
    assert f"Port {port} of 127.0.0.1 is taken" in refused.stderr
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["lock"]


def test_25_a_home_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = run_up(tmp_path / "file" / "home")
    assert refused.returncode == 2
    assert "cannot be written to: Not a directory" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.crash
@pytest.mark.parametrize("kind", KINDS)
def test_27_a_process_that_is_killed_is_started_again(stack: Stack, kind: str) -> None:
    process = stack.of_kind(kind)
    children = process.children(recursive=True)
    process.kill()
    stack.of_kind(kind, other_than=process.pid)
    until(lambda: all_gone([process, *children]), "the end of the killed process and its children")
    until(lambda: is_healthy(stack), "the API")
    assert f"rescind {kind} (process {process.pid}) was ended by SIGKILL; starting it again" in (
        stack.errors.read_text()
    )


@pytest.mark.crash
def test_27_a_killed_supervisor_takes_all_with_it_and_up_starts_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with up(home) as running:
        for kind in KINDS:
            running.of_kind(kind)
        descendants = running.descendants()
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        with up(home, running.port) as again:
            assert again.url == running.url
            assert is_healthy(again)
            until(lambda: all_gone(descendants), "the end of everything that the first one started", 5.0)


@pytest.mark.crash
def test_27_all_killed_at_once_and_up_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with up(home) as running:
        everything = [psutil.Process(running.process.pid), *running.descendants()]
        for process in everything:
            process.kill()
        running.process.wait()
        with up(home, running.port) as again:
            assert is_healthy(again)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path / "home") as running:
        descendants = running.descendants()
        assert running.end(number) == 0
        assert all_gone(descendants)
        assert running.errors.read_text() == ""
