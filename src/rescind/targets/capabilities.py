"""What a database can do, as graded values with the reason beside them: never `if dialect ==`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal


class Grade(StrEnum):
    """How far an ability goes."""

    full = "full"
    limited = "limited"
    refused = "refused"


@dataclass(frozen=True)
class Ability:
    """A grade, and why."""

    grade: Grade
    reason: str

    def __bool__(self) -> bool:
        return self.grade is not Grade.refused


@dataclass(frozen=True)
class NameLimit:
    """How long the name of a table or column may be."""

    most: int
    unit: Literal["characters", "bytes"]  #: bytes are those of UTF-8

    def takes(self, name: str) -> bool:
        return len(name.encode() if self.unit == "bytes" else name) <= self.most

    def __str__(self) -> str:
        return f"{self.most} {self.unit}"


@dataclass(frozen=True)
class Capabilities:
    """A target's card, served by `/v1/targets`."""

    database: str  #: product and version
    one_phase: Ability
    two_phase: Ability
    parallel_writers: Ability  #: several tasks may write at the same time
    several_branches: Ability  #: two branches of one task load a large file sooner than one: `writers=auto` asks it
    transactional_ddl: Ability  #: limited: a table is made before the transaction begins, and undone (PROTOCOL R12)
    sql: Ability  #: a task may run its own SQL
    bulk_load: Ability  #: limited: many-row INSERT; the reason names its cost and the cure
    warnings: tuple[str, ...] = ()  #: what else to know: size limits, replication, proxies, rights
    longest_name: NameLimit | None = None

    @property
    def makes_tables_inside(self) -> bool:
        """Whether DDL is part of the transaction."""
        return self.transactional_ddl.grade is Grade.full

    def document(self) -> dict[str, Any]:
        return asdict(self)
