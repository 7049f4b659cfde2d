"""What is refused is remembered, and the connection keeps its transaction, on a database of any kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from rescind.errors import StatementRefused
from rescind.targets.guarded import GuardedConnection, Refusals, refusal

ENDS = ["commit", "rollback", "close", "begin", "begin_nested", "begin_twophase", "invalidate", "detach"]


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
def connection(refusals: Refusals) -> Iterator[GuardedConnection]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    connection = GuardedConnection(engine, refusals)
    yield connection
    connection.release()
    engine.dispose()


def test_only_the_first_refusal_is_kept(refusals: Refusals) -> None:
    refusals.check()
    refusals.remember(refusal("the first"))
    refusals.remember(refusal("the second"))
    for _ in range(2):
        with pytest.raises(StatementRefused, match="the first"):
            refusals.check()


@pytest.mark.parametrize("method", ENDS)
def test_what_would_end_the_transaction_is_refused_and_changes_nothing(
    refusals: Refusals, connection: GuardedConnection, method: str
) -> None:
    connection.exec_driver_sql("CREATE TABLE t(a)")
    with pytest.raises(StatementRefused, match=method):
        getattr(connection, method)()
    assert connection.in_transaction()
    assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
    with pytest.raises(StatementRefused, match=method):
        refusals.check()


def test_a_session_that_the_database_has_ended_is_no_refusal(refusals: Refusals, connection: GuardedConnection) -> None:
    connection.invalidate(OSError("gone"))
    refusals.check()
    assert connection.invalidated


def test_the_end_of_a_with_block_is_refused(refusals: Refusals, connection: GuardedConnection) -> None:
    with pytest.raises(StatementRefused, match=r"close\(\)"), connection:
        pass
    with pytest.raises(StatementRefused):
        refusals.check()


def test_an_error_in_a_with_block_is_not_hidden(refusals: Refusals, connection: GuardedConnection) -> None:
    with pytest.raises(ZeroDivisionError), connection:
        raise ZeroDivisionError
    refusals.check()
