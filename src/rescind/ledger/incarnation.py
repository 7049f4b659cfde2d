"""The ledger's lives: a ledger that was restored from a backup begins a new one (PROTOCOL R4, R9)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from rescind.domain.states import DONE, State
from rescind.ledger import tables
from rescind.ledger.events import record
from rescind.ledger.tasks import in_states

RESTORED = "ledger-restored"  #: the kind of the event


def begin(connection: Connection, last: int, new: int, detail: dict[str, Any]) -> bool:
    """Begin life `new` after life `last`, and tell every task that has not ended; False: somebody else began one."""
    i = tables.identity
    raised = connection.execute(update(i).where(i.c.incarnation == last).values(incarnation=new))
    if raised.rowcount != 1:
        return False
    for task in in_states(connection, *(state for state in State if state not in DONE)):
        record(connection, task.id, RESTORED, task.attempt, {"from": last, "to": new} | detail)
    return True


def was_restored(connection: Connection) -> bool:
    """Whether it was ever declared so: databases may show what the ledger has never heard of."""
    i = tables.identity
    return connection.execute(select(i.c.one).where(i.c.incarnation > 1)).first() is not None
