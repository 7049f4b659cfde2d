"""Every user command against a running service: what it prints, and the code that it ends with."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.stack import Stack, command, environment
from tests.support.waiting import until

from rescind.cli.main import main

pytestmark = pytest.mark.stack

MANY_ROWS = "20000000"  #: more than are written before a test has stopped them
GOOD = "a,b\n1,x\n2,y\n"
BAD = "a,b\n1,x\nzz,y\n"


@pytest.fixture(autouse=True)
def _address(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESCIND_URL", stack.url)
    monkeypatch.setenv("RESCIND_HOME", str(stack.home))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.csv"
    file.write_text(GOOD)
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.csv"
    file.write_text(BAD)
    return file


def answer(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> Any:
    """What a command prints with --json."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int) -> str:
    """What a command says when it cannot."""
    capsys.readouterr()
    assert main([*map(str, arguments)]) == code
    return capsys.readouterr().err


def waiting_generate(stack: Stack) -> subprocess.Popen[str]:
    """`rescind generate --wait` as a process, of far more rows than it gets to write."""
    return subprocess.Popen(
        command("generate", MANY_ROWS, "--wait", "--url", stack.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def begun(process: subprocess.Popen[str]) -> str:
    """The id of the task that the process waits for."""
    assert process.stderr is not None
    return process.stderr.readline().split()[1].rstrip(":")


def test_load_waits_and_prints_the_receipt(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", str(good), "--into", "receipt", "--create", "--wait"]) == 0
    printed = capsys.readouterr()
    assert "Done: all of it is in the database." in printed.out
    assert "2 read, 2 written, 0 rejected" in printed.out
    assert "receipt in default" in printed.out
    assert "sent 12 bytes" in printed.err


def test_load_sends_gzip_as_it_is_and_counts_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "zipped.csv.gz"
    file.write_bytes(gzip.compress(GOOD.encode()))
    task = answer(capsys, "load", file, "--into", "zipped", "--create", "--count", "--wait")
    assert task["state"] == "committed"
    assert task["receipt"]["counts"] == {"before": 0, "after": 2}


def test_load_with_a_key_is_one_load(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once = ("load", good, "--into", "keyed", "--create", "--idempotency-key", "only-once", "--wait")
    assert answer(capsys, *once)["id"] == answer(capsys, *once)["id"]


def test_load_names_the_bad_row_and_changes_nothing(good: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "load", good, "--into", "strict", "--create", "--wait")
    said = complaint(capsys, "load", bad, "--into", "strict", "--wait", code=1)
    assert "Failed: all that it wrote was taken back." in said
    assert "record 2, column a" in said
    after = answer(capsys, "load", good, "--into", "strict", "--count", "--wait")
    assert after["receipt"]["counts"] == {"before": 2, "after": 4}


def test_load_into_an_unknown_table(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "load", good, "--into", "nowhere", code=1)
    assert "nowhere" in said
    assert "This request changed nothing." in said
    assert "create=true" in said


def test_rejects_lists_the_rows(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad.write_text("id,day\n1,2024-01-31\n2,2024-01-31\n3,2024-01-31,4\n")
    task = answer(capsys, "load", bad, "--into", "rejected", "--create", "--wait", code=1)
    assert [row["record"] for row in answer(capsys, "rejects", task["id"])["rejects"]] == [3]
    assert main(["rejects", task["id"]]) == 0
    assert capsys.readouterr().out.startswith("record 3")


def test_generate_answers_at_once_without_wait(capsys: pytest.CaptureFixture[str]) -> None:
    task = answer(capsys, "generate", "10", "--into", "ten", "--seed", "1")
    assert (task["task"], task["done"]) == ("generate", False)
    assert {"table": "ten", "rows": 10, "seed": 1}.items() <= task["args"].items()
    until(lambda: answer(capsys, "show", task["id"])["state"] == "committed", "the rows")


def test_tasks_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    task = answer(capsys, "generate", "10", "--wait")
    assert answer(capsys, "tasks", "--task", "generate", "--limit", "1")["tasks"][0]["id"] == task["id"]
    assert main(["tasks", "--state", "committed"]) == 0
    assert task["id"] in capsys.readouterr().out
    assert main(["show", task["id"]]) == 0
    shown = capsys.readouterr().out
    assert "10 read, 10 written, 0 rejected" in shown


def test_show_an_unknown_task(capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "show", "019053f2-0000-7000-8000-000000000000", code=1)
    assert "019053f2" in said
    assert "Check the id" in said


def test_stop_waits_for_the_proof_and_who_waits_hears_of_it(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    with waiting_generate(stack) as waiting:
        task_id = begun(waiting)
        assert answer(capsys, "stop", task_id, "--wait")["state"] == "stopped"
        _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 4
    assert "Stopped: all that it wrote was taken back." in said
    assert answer(capsys, "stop", task_id)["id"] == task_id


def test_ctrl_c_ends_the_waiting_and_not_the_task(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    with waiting_generate(stack) as waiting:
        task_id = begun(waiting)
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert f"Stop it with: rescind stop {task_id}" in said
    assert "Traceback" not in said
    assert not answer(capsys, "show", task_id)["stop_requested"]
    answer(capsys, "stop", task_id, "--wait")


def test_stop_too_late(capsys: pytest.CaptureFixture[str]) -> None:
    task = answer(capsys, "generate", "10", "--wait")
    assert "cannot be taken back any more" in complaint(capsys, "stop", task["id"], code=1)


def test_retry_makes_one_new_task(good: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "load", good, "--into", "again", "--create", "--wait")
    failed = answer(capsys, "load", bad, "--into", "again", "--wait", code=1)
    first = answer(capsys, "retry", failed["id"], "--wait", code=1)
    assert first["retry_of"] == failed["id"]
    assert answer(capsys, "retry", failed["id"])["id"] == first["id"]


def test_retry_of_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    task = answer(capsys, "generate", "10", "--wait")
    assert "This request changed nothing." in complaint(capsys, "retry", task["id"], code=1)


def test_doctor_finds_all_well(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    checks = {check["name"]: check for check in answer(capsys, "doctor")}
    parts = {"ledger", "broker", "uploads", "outputs", "target:default"}
    assert {"python", "home", "service", "space", *parts} <= set(checks)
    assert {check["verdict"] for check in checks.values()} <= {"ok", "warn"}
    assert f"process {stack.process.pid}" in checks["service"]["reason"]


def test_migrate_does_no_harm_to_a_ledger_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    task = answer(capsys, "generate", "10", "--wait")
    assert main(["migrate"]) == 0
    assert answer(capsys, "show", task["id"]) == task


def test_purge_says_what_it_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    main(["purge", "--json"])  # or the sweeper: what the tests before have loaded
    capsys.readouterr()
    assert answer(capsys, "purge") == {"uploads": 0, "tasks": 0, "outputs": 0}
    assert main(["purge"]) == 0
    assert capsys.readouterr().out == "Deleted: 0 uploads, 0 tasks, 0 outputs.\n"
