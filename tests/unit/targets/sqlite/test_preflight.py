"""What must hold of a file before a task may trust it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rescind.errors import TargetRefused, TargetUnavailable
from rescind.targets.sqlite import preflight
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.target import SQLiteTarget

MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw - nfs4 server:/export rw
31 30 8:2 / /srv/local rw shared:1 - xfs /dev/sdb1 rw
32 22 0:41 / /with\\040blank rw - cifs //server/share rw
33 22 0:42 / /twice rw - nfs server:/a rw
34 22 0:43 / /twice rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/data", "nfs4"),
        ("/srv/local/data", "xfs"),
        ("/srvx", "ext4"),
        ("/with blank/x", "cifs"),
        ("/twice/x", "tmpfs"),
    ],
)
def test_the_innermost_mount_holds_the_file(tmp_path: Path, place: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert preflight.file_system(Path(place), mounts) == kind


def test_where_the_system_does_not_tell(tmp_path: Path) -> None:
    assert preflight.file_system(tmp_path, tmp_path / "nowhere") is None


def test_a_network_file_system_is_refused(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "file_system", lambda directory: "fuse.sshfs")
    with pytest.raises(TargetRefused, match=r"fuse\.sshfs"):
        SQLiteTarget("default", path).set_up()
    assert list(tmp_path.iterdir()) == []


def test_it_makes_the_file_durable_and_may_be_repeated_beside_a_writer(
    target: SQLiteTarget, branch: SQLiteBranch, sql: Callable[..., Any]
) -> None:
    target.preflight()
    assert sql("PRAGMA journal_mode") == [("wal",)]


def test_a_missing_directory_and_what_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="does not exist"):
        SQLiteTarget("default", tmp_path / "missing" / "data.db").set_up()
    with pytest.raises(TargetUnavailable):
        SQLiteTarget("default", tmp_path).set_up()
    text = tmp_path / "text.db"
    text.write_text("this is no database " * 100)
    with pytest.raises(TargetUnavailable, match="NOTADB"):
        SQLiteTarget("default", text).set_up()


def test_somebody_elses_marker_table_is_not_written_to(path: Path, sql: Callable[..., Any]) -> None:
    sql("CREATE TABLE rescind_marker(a)")
    with pytest.raises(TargetRefused, match="not Rescind's"):
        SQLiteTarget("default", path).preflight()


def test_a_file_that_cannot_be_in_wal_is_refused() -> None:
    with closing(sqlite3.connect(":memory:")) as memory, pytest.raises(TargetRefused, match="journal_mode=memory"):
        preflight.make_durable(memory)


def test_a_file_that_is_not_there_is_not_made_by_looking(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="mounted"):
        SQLiteTarget("default", path).preflight()
    assert list(tmp_path.iterdir()) == []


def test_another_file_in_its_place_gets_no_marker_table_by_looking(path: Path, sql: Callable[..., Any]) -> None:
    sql("CREATE TABLE other(a)")
    with pytest.raises(TargetUnavailable, match="the right file"):
        SQLiteTarget("default", path).preflight()
    assert sql("SELECT name FROM sqlite_master") == [("other",)]
