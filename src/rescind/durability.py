"""What makes an acknowledged commit outlive a crash and a power cut (PROTOCOL R10), for the ledger and for targets.

May import nothing of Rescind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """What a setting of the database must be, and what happens otherwise."""

    name: str
    value: str
    otherwise: str


#: Of the server, which only its owner can set.
POSTGRESQL = (
    Setting("fsync", "on", "a power cut undoes commits"),
    Setting("full_page_writes", "on", "a power cut leaves pages half written"),
)
#: Of a session: a statement for each, and anew where it may have been set since. `remote_apply` is more, and is kept.
POSTGRESQL_SESSION = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'
"""

MYSQL = (Setting("innodb_flush_log_at_trx_commit", "1", "a crash undoes commits"),)
MYSQL_LOGGED = (
    *MYSQL,
    # After a crash the server rolls back what its binary log lacks, whatever InnoDB has.
    Setting("sync_binlog", "1", "a power cut undoes commits while the binary log is on"),
)

#: Of a connection.
SQLITE = (
    Setting("journal_mode", "wal", "readers and the writer hold each other up"),
    Setting("synchronous", "2", "a power cut undoes commits"),  # 2 is FULL
)

#: File systems on which a lock of SQLite's that is taken on one machine may not be seen on another.
NETWORK = frozenset({
    "9p", "afs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs",
})  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")


def complaint(settings: tuple[Setting, ...], found: Mapping[str, object]) -> str | None:
    """The first that is set otherwise or not known, what that means and what to do; None where all is well."""
    for setting in settings:
        if (value := str(found.get(setting.name, "unknown"))) != setting.value:
            return f"{setting.name} is {value}, and {setting.otherwise}; set {setting.name} = {setting.value}"
    return None


def file_system(directory: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the file system that holds the directory; None where the system does not tell."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    place = directory.resolve()
    found: tuple[int, str] | None = None
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split()[4].encode().decode("unicode_escape"))
        # Of two mounts on one point the later one is what is seen.
        if place.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = (len(point.parts), rest.split()[0])
    return None if found is None else found[1]
