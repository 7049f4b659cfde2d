from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rescind.errors import AlreadyRunning, ConfigurationError
from rescind.worker.home import holder, locked

HOLD = """
import subprocess, sys, time
from pathlib import Path
from rescind.worker.home import locked
with locked(Path(sys.argv[1])):
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def hold(home: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that holds the home and has a child, and the child's number."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, home], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_the_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with locked(tmp_path / "deep" / "home"):
        assert (tmp_path / "deep" / "home").stat().st_mode & 0o777 == 0o700


def test_a_held_home_names_its_process(tmp_path: Path) -> None:
    process, child = hold(tmp_path)
    try:
        with pytest.raises(AlreadyRunning, match=f"process {process.pid} has it"), locked(tmp_path):
            pass
        assert holder(tmp_path) == process.pid
    finally:
        os.kill(child, signal.SIGKILL)
        process.kill()
        process.communicate()


def test_the_lock_goes_with_its_process_and_not_with_the_children(tmp_path: Path) -> None:
    process, child = hold(tmp_path)
    process.kill()
    process.communicate()
    try:
        os.kill(child, 0)  # it lives
        with locked(tmp_path):
            assert holder(tmp_path) is None  # one's own lock is in nobody's way
    finally:
        os.kill(child, signal.SIGKILL)


def test_nobody_holds_a_home_that_was_never_used(tmp_path: Path) -> None:
    assert holder(tmp_path) is None


def test_a_home_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written to: File exists"), locked(tmp_path / "file"):
        pass
