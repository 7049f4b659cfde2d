"""A server's card: what it can do, and why."""

from __future__ import annotations

from rescind.targets.capabilities import Ability, Capabilities, Grade
from rescind.targets.mysql.preflight import Server
from rescind.targets.mysql.sql import LONGEST_NAME

_XA = "By XA: a prepared branch survives its session, and the server too."
_NOT_SOONER = "By two branches large files took as long as by one, or longer (docs/decisions/0006)."
_NEVER = "The setting two_phase=never: every task commits in one phase."


def card(server: Server, two_phase: bool) -> Capabilities:
    """The card of a server; `two_phase` is the setting."""
    reason = server.without_prepare() if two_phase else _NEVER
    return Capabilities(
        database=server.product,
        one_phase=Ability(Grade.full, "InnoDB's log is on disk before a commit answers; the marker proves the commit."),
        two_phase=Ability(Grade.refused, reason) if reason else Ability(Grade.full, _XA),
        parallel_writers=Ability(Grade.full, "InnoDB locks rows; readers see the old ones until the commit."),
        several_branches=Ability(Grade.refused, _NOT_SOONER),
        transactional_ddl=Ability(
            Grade.limited, "DDL commits by itself: a table is made before the transaction, and dropped again if empty."
        ),
        sql=Ability(Grade.full, "Statements are parsed; DDL, transaction statements, CALL and SET are refused."),
        bulk_load=_bulk(server),
        longest_name=LONGEST_NAME,
        warnings=tuple(_warnings(server)),
    )


def _bulk(server: Server) -> Ability:
    if server.on("local_infile"):
        return Ability(Grade.full, "LOAD DATA from memory, counted and without warnings, or the task fails.")
    cost = "local_infile is OFF: rows go in by INSERT, at a third of the speed."
    return Ability(Grade.limited, f"{cost} Cure: SET GLOBAL local_infile = 1.")


def _warnings(server: Server) -> list[str]:
    found = [
        f"A task may write at most about {size:,} bytes ({name})." for name, size in sorted(server.limits().items())
    ]
    if not server.sees_transactions:
        found.append("How far a rollback is cannot be shown. Cure: GRANT PROCESS ON *.* TO the user.")
    return found
