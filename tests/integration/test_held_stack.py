"""A held commit in a running service on PostgreSQL and MariaDB: it survives the death of every process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.test_several_databases import TABLE
from tests.support.databases import run
from tests.support.stack import command, environment, up
from tests.support.surface import FILE

pytestmark = pytest.mark.stack

DRY = ("--dry-run", "--wait")


def answer(url: str, *arguments: str) -> Any:
    """What a user command prints as JSON."""
    done = subprocess.run(
        command(*arguments, "--url", url, "--json"), check=False, capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_held_commit_outlives_every_process(tmp_path: Path, postgresql_url: str, mariadb_url: str) -> None:
    databases = {"DATABASE_URL": postgresql_url, "RESCIND_TARGETS__ARCHIVE": mariadb_url}
    for url in databases.values():
        run(url, TABLE)
    file = tmp_path / "items.csv"
    file.write_bytes(FILE)
    home = tmp_path / "home"
    with up(home, 0, **databases) as stack:
        load = ("load", str(file), "--into", "items", "--targets", "default,archive", "--commit", "manual", "--wait")
        task = answer(stack.url, *load)
        assert (task["state"], task["waiting_for"]) == ("prepared", "a commit or a stop")
        processes = [psutil.Process(stack.process.pid), *stack.descendants()]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=10)
    with up(home, 0, **databases) as stack:
        assert answer(stack.url, "show", task["id"])["state"] == "prepared"
        assert answer(stack.url, "commit", task["id"], "--wait")["state"] == "committed"
        file.write_text("id,name\n4,v\n")
        held = answer(stack.url, *load)
        assert answer(stack.url, "stop", held["id"], "--wait")["state"] == "stopped"
        checked = answer(stack.url, "load", str(file), "--into", "items", "--targets", "default,archive", *DRY)
        assert (checked["state"], checked["receipt"]["rows_read"]) == ("checked", 1)
        counted = answer(stack.url, "load", str(file), "--into", "items", "--count", *DRY)
        assert counted["receipt"]["counts"] == {"before": 3, "after": 4}
