"""What a driver's error means: the ledger is out of reach, or it gave an answer."""

from __future__ import annotations

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from rescind.errors import LedgerUnavailable

#: No such table, column or schema, of PostgreSQL and of MySQL.
_MISSING = frozenset({"42P01", "42703", "3F000", "42S02", "42S22"})
_DENIED = "42501"  #: PostgreSQL's; to PyMySQL a denial is an operational error anyway


def outage(error: Exception) -> LedgerUnavailable | None:
    """What to raise instead. None where it is an answer (a key that is taken, a value that does not fit) or a fault
    in a statement of ours, which time does not cure.
    """
    if isinstance(error, IntegrityError | DataError) or not isinstance(error, DBAPIError | PoolTimeout | OSError):
        return None
    if _is_missing(error):
        # Not final: a ledger that is being restored has no tables for a while, and a decision waits for it.
        return LedgerUnavailable(
            f"The ledger has no tables of this version; run `rescind migrate` with this version: {_reason(error)}."
        )
    if isinstance(error, ProgrammingError) and _state(error) != _DENIED:
        return None
    return LedgerUnavailable(f"The ledger does not answer: {_reason(error)}.")


def _is_missing(error: Exception) -> bool:
    return _state(error) in _MISSING or _reason(error).startswith(("no such table", "no such column"))


def _state(error: Exception) -> str | None:
    """The SQLSTATE, which SQLite has none of."""
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None


def _reason(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error).strip().rstrip(".")
