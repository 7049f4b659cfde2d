"""What a database must be set to, told in one place for the ledger and for targets (PROTOCOL R10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from rescind.durability import MYSQL, MYSQL_LOGGED, POSTGRESQL, complaint, file_system

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
    assert file_system(Path(place), mounts) == kind


def test_where_the_system_does_not_tell(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "nowhere") is None


def test_the_first_setting_that_is_otherwise_is_named_with_its_cure() -> None:
    assert complaint(POSTGRESQL, {"fsync": "on", "full_page_writes": "on"}) is None
    found = complaint(POSTGRESQL, {"fsync": "on", "full_page_writes": "off"})
    assert found == "full_page_writes is off, and a power cut leaves pages half written; set full_page_writes = on"


def test_a_setting_that_is_not_known_is_not_taken_for_good() -> None:
    assert complaint(MYSQL, {"innodb_flush_log_at_trx_commit": 1}) is None
    assert str(complaint(MYSQL_LOGGED, {"innodb_flush_log_at_trx_commit": 1})).startswith("sync_binlog is unknown")
