"""What a PostgreSQL server can do, by what it says of itself."""

from __future__ import annotations

from rescind.targets.capabilities import Ability, Capabilities, Grade
from rescind.targets.postgresql.preflight import Facts
from rescind.targets.postgresql.sql import LONGEST_NAME

_FEW_PREPARED = 16  #: each task with several targets needs one, and one that is held keeps it
_CHECKS_CLIENT = 140_000  #: server_version_num; it has client_connection_check_interval


def of(facts: Facts) -> Capabilities:
    """The card."""
    return Capabilities(
        database=f"PostgreSQL {facts.version}",
        one_phase=Ability(Grade.full, "A commit waits for the disk, synchronous_commit = on; the marker proves it."),
        two_phase=two_phase(facts),
        parallel_writers=Ability(Grade.full, "Writers wait for each other only where they touch the same rows."),
        several_branches=_several_branches(facts),
        transactional_ddl=Ability(Grade.full, "CREATE TABLE is rolled back like any other statement."),
        sql=Ability(Grade.full, "Each statement is parsed; DDL, transaction and session statements are refused."),
        bulk_load=Ability(Grade.full, "COPY, from memory."),
        longest_name=LONGEST_NAME,
        warnings=tuple(_warnings(facts)),
    )


def two_phase(facts: Facts) -> Ability:
    """Whether a transaction can be prepared, and for how many at a time."""
    if not facts.most_prepared:
        cure = "set it to 64 in postgresql.conf and restart the server"
        return Ability(Grade.refused, f"max_prepared_transactions is 0; to prepare transactions, {cure}.")
    return Ability(Grade.full, f"PREPARE TRANSACTION, for {facts.most_prepared} transactions at a time.")


def _several_branches(facts: Facts) -> Ability:
    if facts.most_prepared < _FEW_PREPARED:
        why = "each branch needs one, and so do other tasks"
        return Ability(Grade.refused, f"max_prepared_transactions is {facts.most_prepared}: {why}.")
    return Ability(Grade.full, "Each branch has a server process, and so a core, of its own.")


def _warnings(facts: Facts) -> list[str]:
    found = []
    if 0 < facts.most_prepared < _FEW_PREPARED:
        text = "with several targets, or held ones, fail."
        found.append(f"max_prepared_transactions is {facts.most_prepared}: further tasks {text}")
    if facts.version_number < _CHECKS_CLIENT:
        found.append("Before PostgreSQL 14 a statement runs on after its client has died, until recovery ends it.")
    return found
