"""The command line without a service: usage, help, and what is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.stack import environment

from rescind.cli.main import OPERATOR_COMMANDS, USER_COMMANDS, main

NOBODY = "http://127.0.0.1:9"  #: the discard port: nothing listens there
COMMANDS = [name for name, _, _ in (*USER_COMMANDS, *OPERATOR_COMMANDS)]


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f" {name} " in text for name in COMMANDS)
    assert "3 already running" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"Usage: rescind {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["show"],
        ["show", "id", "--no-such-option"],
        ["load", "file"],
        ["generate", "many"],
        ["tasks", "--state", "no-such-state"],
        ["show", "id", "--url", "not an address"],
        ["show", "id", "--url", "http://127.0.0.1:port"],
        ["load", "no-such-file", "--into", "t"],
        ["load", "--no-such-option", "--into", "t"],
        ["load", "file", "--into", ""],
        ["recover", "--branch", "b", "--against-markers"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_a_wrong_setting_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RESCIND_LEASE_SECONDS", "never")
    assert main(["migrate"]) == 2
    assert "RESCIND_LEASE_SECONDS" in capsys.readouterr().err


def test_no_service_is_5(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "id", "--url", NOBODY]) == 5
    said = capsys.readouterr().err
    assert "No service answers at http://127.0.0.1:9." in said
    assert "rescind up" in said


def test_a_user_command_imports_nothing_of_the_service() -> None:
    heavy = {"pyarrow", "flask", "sqlalchemy", "celery", "rescind.bootstrap", "rescind.settings"}
    program = (
        f"import sys; from rescind.cli.main import main; main(['show', 'id', '--url', '{NOBODY}']);"
        f"sys.exit(str({heavy!r} & set(sys.modules)) if {heavy!r} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, env=environment())
    assert done.returncode == 0, done.stderr.decode()
