"""The operator commands on a home of their own, without a service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.stack import command, environment

from rescind.cli import doctor
from rescind.cli.main import main
from rescind.errors import TargetUnavailable
from rescind.targets.capabilities import Ability, Capabilities, Grade


@pytest.fixture(autouse=True)
def _nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RESCIND_HOME", "RESCIND_LEDGER_URL", "RESCIND_UPLOADS", "DATABASE_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)


def examine(capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, dict[str, Any]]:
    """The doctor's checks by name."""
    assert main(["doctor", "--json"]) == code
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)}


def test_doctor_before_the_first_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checks = examine(capsys, code=0)
    assert {name: check["verdict"] for name, check in checks.items()} == {"python": "ok", "home": "warn"}
    assert list(tmp_path.iterdir()) == []


def test_doctor_after_migrate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate"]) == 0
    checks = examine(capsys, code=0)
    assert checks["ledger"]["verdict"] == "ok"
    assert checks["target:default"]["verdict"] == "ok"
    assert checks["service"]["verdict"] == "warn"


def test_doctor_without_migrate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".rescind").mkdir()
    check = examine(capsys, code=1)["ledger"]
    assert check["verdict"] == "fail"
    assert f"There is no ledger at {tmp_path}/.rescind/ledger.db." in check["reason"]
    assert "rescind migrate" in check["cure"]
    assert not (tmp_path / ".rescind" / "ledger.db").exists()


def test_recover_in_a_home_that_is_none(tmp_path: Path) -> None:
    done = run("recover", "--home", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert f"There is no ledger at {tmp_path}/nowhere/ledger.db." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor_before_the_first_start_looks_at_what_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:secret@127.0.0.1:9/shop")
    monkeypatch.setenv("RESCIND_LEDGER_URL", "postgresql://me:secret@127.0.0.1:9/ledger")
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://me:secret@127.0.0.1:9//")
    checks = examine(capsys, code=1)
    failed = {name for name, check in checks.items() if check["verdict"] == "fail"}
    assert failed == {"ledger", "broker", "target:default"}
    assert "user, password and database" in checks["target:default"]["cure"]
    assert "secret" not in json.dumps(checks)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/shop.db")
    monkeypatch.setenv("RESCIND_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    assert "card:default" in examine(capsys, code=1)
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["migrate"])
    (tmp_path / "file").touch()
    monkeypatch.setenv("RESCIND_UPLOADS", str(tmp_path / "file"))
    capsys.readouterr()
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("FAIL  uploads: "))
    assert "RESCIND_UPLOADS" in lines[place + 1]


def test_migrate_twice(tmp_path: Path) -> None:
    assert main(["migrate"]) == 0
    assert main(["migrate"]) == 0
    assert (tmp_path / ".rescind" / "ledger.db").exists()


def test_migrate_into_a_home_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["migrate", "--home", str(tmp_path / "file")]) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_purge_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate"])
    capsys.readouterr()
    assert main(["purge", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"uploads": 0, "tasks": 0, "outputs": 0}


@pytest.mark.parametrize("name", ["api", "worker", "sweeper", "purge", "recover"])
def test_without_a_ledger_it_is_said_what_to_run(name: str, tmp_path: Path) -> None:
    (tmp_path / ".rescind").mkdir()
    done = subprocess.run(command(name), check=False, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == 2
    assert f"There is no ledger at {tmp_path}/.rescind/ledger.db." in done.stderr
    assert "run `rescind migrate`" in done.stderr
    assert not (tmp_path / ".rescind" / "ledger.db").exists()
    assert "Traceback" not in done.stderr


def test_doctor_shows_what_the_target_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate"])
    card = examine(capsys, code=0)["card:default"]
    assert card["reason"].startswith("SQLite 3.")
    assert any(note.startswith("two-phase commit: refused. SQLite cannot prepare") for note in card["notes"])


def test_doctor_shows_warnings_by_themselves() -> None:
    fine = Ability(Grade.full, "It can.")
    card = Capabilities("Some 1", fine, fine, fine, fine, fine, fine, fine, ("Its limit is 4 GB.",))
    first, second = doctor.cards({"default": card, "down": TargetUnavailable("It is down.")})
    assert first.verdict is doctor.Verdict.ok
    assert (second.verdict, second.reason) == (doctor.Verdict.warn, "Its limit is 4 GB.")


def test_self_test_where_nothing_can_be_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate"])
    assert main(["doctor", "--xa-selftest"]) == 1
    assert "not possible: SQLite cannot prepare" in capsys.readouterr().out
    assert main(["doctor", "--xa-selftest", "default", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["proven"] is None


@pytest.mark.parametrize("arguments", [["default"], ["--xa-selftest", "nowhere"]])
def test_doctor_of_targets_used_wrongly(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *arguments]) == 2
    assert capsys.readouterr().err


def test_a_ledger_is_not_declared_restored_beside_a_service(tmp_path: Path) -> None:
    main(["migrate"])
    program = "import sys; from pathlib import Path; from rescind.worker.home import locked\n"
    program += "with locked(Path('.rescind')): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        refused = run("recover", "--restored")
        explained = run("recover", "--restored", "--dry-run")
        holder.communicate("")
    assert (refused.returncode, f"as process {holder.pid}" in refused.stderr) == (1, True)
    assert explained.returncode == 0
    assert "life 2 would begin" in explained.stdout
    done = run("recover", "--restored", "--json")
    assert json.loads(done.stdout)["new"] == 2


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a process: its log is its own."""
    return subprocess.run(
        command(*arguments), check=False, capture_output=True, text=True, env=environment(), timeout=60
    )
