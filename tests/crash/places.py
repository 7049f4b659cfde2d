"""Where a run happens: the kinds of databases that it writes to, and the ledger's."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a target is, and how a single branch with automatic commit ends there."""

    sqlite = "sqlite"  #: a file: one phase
    memory = "memory"  #: a memory server: two phases
    memory_one_phase = "memory-one-phase"  #: one that cannot prepare: one phase, and a zombie that survives
    memory_ddl = "memory-ddl"  #: one whose CREATE TABLE commits by itself, as MySQL's does: two phases
    postgresql = "postgresql"  #: one phase, though it can prepare
    postgresql_two_phase = "postgresql-two-phase"  #: the same, told to prepare
    mariadb = "mariadb"  #: two phases
    myisam = "myisam"  #: a user's table on MariaDB that no rollback takes back: refused

    @property
    def prepares(self) -> bool:
        """Whether a branch there can be prepared: one of several, or one that is held."""
        return self not in (Kind.sqlite, Kind.memory_one_phase)

    @property
    def prepares_alone(self) -> bool:
        """Whether the only branch of a task with automatic commit is prepared."""
        return self.prepares and self is not Kind.postgresql

    @property
    def by_itself(self) -> bool:
        """Whether its CREATE TABLE commits by itself (PROTOCOL R12)."""
        return self in (Kind.memory_ddl, Kind.mariadb, Kind.myisam)

    @property
    def server(self) -> str | None:
        """The real server that it needs."""
        return _SERVERS.get(self)

    @property
    def in_memory(self) -> bool:
        return self in (Kind.memory, Kind.memory_one_phase, Kind.memory_ddl)


_SERVERS = {
    Kind.postgresql: "postgresql",
    Kind.postgresql_two_phase: "postgresql",
    Kind.mariadb: "mariadb",
    Kind.myisam: "mariadb",
}


class Place(StrEnum):
    """The targets of a run, `default` and perhaps `other`, and where its ledger is (an SQLite file if not said)."""

    sqlite = "sqlite"
    memory = "memory"
    one_phase = "one-phase"
    memory_ddl = "memory-ddl"
    pair = "pair"  #: two memory servers
    mixed = "mixed"  #: an SQLite file and a memory server: the file's marker decides for both
    mixed_memory = "mixed-memory"  #: a memory server and one that cannot prepare
    postgresql = "postgresql"
    postgresql_two_phase = "postgresql two-phase"
    mariadb = "mariadb"
    myisam = "myisam"
    postgresql_mariadb = "postgresql+mariadb"
    mariadb_sqlite = "mariadb+sqlite"
    ledger_sqlite = "postgresql ledger, sqlite"
    ledger_postgresql = "postgresql ledger, postgresql"
    ledger_two_phase = "postgresql ledger, postgresql two-phase"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return _KINDS.get(self) or (Kind(self),)

    @property
    def targets(self) -> dict[str, Kind]:
        """The kind of each target by its name."""
        return dict(zip(("default", "other"), self.kinds, strict=False))

    @property
    def ledger(self) -> str:
        """`sqlite`, or the server that it is on."""
        return "postgresql" if self.startswith("postgresql ledger") else "sqlite"

    @property
    def servers(self) -> frozenset[str]:
        """The real servers that it needs."""
        of_targets = {kind.server for kind in self.kinds if kind.server}
        return frozenset(of_targets | ({self.ledger} - {"sqlite"}))

    @property
    def prepares(self) -> bool:
        """Whether every branch there can be prepared: a task can be held."""
        return all(kind.prepares for kind in self.kinds)


_KINDS = {
    Place.one_phase: (Kind.memory_one_phase,),
    Place.pair: (Kind.memory, Kind.memory),
    Place.mixed: (Kind.sqlite, Kind.memory),
    Place.mixed_memory: (Kind.memory, Kind.memory_one_phase),
    Place.postgresql_two_phase: (Kind.postgresql_two_phase,),
    Place.postgresql_mariadb: (Kind.postgresql, Kind.mariadb),
    Place.mariadb_sqlite: (Kind.mariadb, Kind.sqlite),
    Place.ledger_sqlite: (Kind.sqlite,),
    Place.ledger_postgresql: (Kind.postgresql,),
    Place.ledger_two_phase: (Kind.postgresql_two_phase,),
}
