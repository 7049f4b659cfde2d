"""A branch's name in XA: the gtrid says which task of which ledger, the bqual which branch of which attempt.

Both are ASCII, and as long as MySQL allows (64 bytes each). XA RECOVER gives them without a mark between them: they
are told apart by their lengths alone.
"""

from __future__ import annotations

import re
from uuid import UUID

from rescind.domain.branch import PREFIX, BranchId

_NEWEST = 0xFFFF  #: incarnations that the name has room for
_GTRID = re.compile(rf"{PREFIX}:(?P<ledger>[0-9a-f]{{12}})(?P<incarnation>[0-9a-f]{{4}})(?P<task>[0-9a-f]{{32}})")
_BQUAL = re.compile(r"(?P<attempt>0|[1-9][0-9]{0,9})\.(?P<branch>0|[1-9][0-9]{0,9})")


def xid(branch: BranchId) -> str:
    """The name as an XA statement takes it. Raises ValueError for what the name has no room for."""
    gtrid = f"{PREFIX}:{branch.ledger}{branch.incarnation:04x}{UUID(branch.task).hex}"
    bqual = f"{branch.attempt}.{branch.branch}"
    if branch.incarnation > _NEWEST or parse(len(gtrid), len(bqual), (gtrid + bqual).encode()) != branch:
        raise ValueError(f"{branch} cannot be the name of an XA branch")
    return f"'{gtrid}','{bqual}'"


def parse(gtrid_length: int, bqual_length: int, data: bytes | str) -> BranchId | None:
    """A row of XA RECOVER as a value; None for a branch that is not Rescind's."""
    raw = data if isinstance(data, bytes) else data.encode()
    if len(raw) != gtrid_length + bqual_length:
        return None
    gtrid = _GTRID.fullmatch(raw[:gtrid_length].decode("ascii", "replace"))
    bqual = _BQUAL.fullmatch(raw[gtrid_length:].decode("ascii", "replace"))
    if gtrid is None or bqual is None:
        return None
    task, incarnation = str(UUID(gtrid["task"])), int(gtrid["incarnation"], 16)
    return BranchId(gtrid["ledger"], incarnation, task, int(bqual["attempt"]), int(bqual["branch"]))
