"""Errors are sorted by SQLSTATE: every class that PostgreSQL documents, and the driver's own without one."""

from __future__ import annotations

import re

import psycopg
import pytest
import sqlalchemy as sa
from tests.unit.targets.postgresql.conftest import Sql

from rescind.errors import (
    ConstraintViolated,
    RescindError,
    RightMissing,
    TargetConflict,
    TargetError,
    TargetFull,
    TargetRefused,
    TargetUnavailable,
    TransactionBroken,
)
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.failures import known, translated, translation

SORTED: dict[type[RescindError], list[str]] = {
    ConstraintViolated: [
        "23502",
        "23503",
        "23505",
        "23514",
        "23P01",
        "22001",
        "22003",
        "22P02",
        "22021",
        "P0001",
        "44000",
    ],
    TargetConflict: ["40001", "40P01", "55P03", "57014", "53200", "55006", "25P03"],
    TargetUnavailable: [
        "08006",
        "57P01",
        "57P02",
        "57P03",
        "53300",
        "25006",
        "28P01",
        "28000",
        "3D000",
        "58030",
        "XX001",
    ],
    TargetFull: ["53100"],
    TargetRefused: ["0A000", "55000"],
    RightMissing: ["42501"],
    TransactionBroken: ["25P02", "25001", "2D000"],
}
FAULTY = ["42P01", "42703", "42601", "42804", "3F000"]


def error(state: str) -> psycopg.Error:
    return psycopg.errors.lookup(state)("what happened")


@pytest.mark.parametrize(("kind", "state"), [(kind, state) for kind, states in SORTED.items() for state in states])
def test_sorted(kind: type[RescindError], state: str) -> None:
    assert type(known(error(state))) is kind
    assert type(translation(error(state))) is kind


@pytest.mark.parametrize("state", FAULTY)
def test_a_faulty_statement_is_the_functions_own_and_a_table_altered_meanwhile_where_it_was_ours(state: str) -> None:
    assert known(error(state)) is None
    assert type(translation(error(state))) is TargetConflict


def test_the_drivers_own() -> None:
    assert type(translation(psycopg.OperationalError("the connection is closed"))) is TargetUnavailable
    assert type(translation(psycopg.InterfaceError("closed"))) is TargetUnavailable
    assert type(translation(psycopg.DataError("PostgreSQL text fields cannot contain NUL"))) is ConstraintViolated
    assert known(psycopg.ProgrammingError("no such placeholder")) is None
    assert type(translation(error("XX000"))) is TargetError


def test_only_psycopgs_errors_are_translated_and_the_cause_is_kept() -> None:
    with pytest.raises(TargetFull, match="SQLSTATE 53100") as raised, translated():
        raise error("53100")
    assert isinstance(raised.value.__cause__, psycopg.Error)
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def raised(branch: PostgreSQLBranch, statement: str) -> psycopg.Error:
    with pytest.raises(sa.exc.DBAPIError) as error:
        branch.connection().exec_driver_sql(statement)
    assert isinstance(error.value.orig, psycopg.Error)
    return error.value.orig


@pytest.mark.parametrize("state", ["08001", "25006", "28P01", "57P03", "58030", "XX001"])
def test_where_the_session_lives_on_the_server_is_not_away(branch: PostgreSQLBranch, sql: Sql, state: str) -> None:
    sql(f"""CREATE FUNCTION fail() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'it says' USING ERRCODE = '{state}'; END $$""")
    error = raised(branch, "SELECT fail()")
    assert type(known(error)) is type(translation(error)) is TargetConflict
    assert type(known(error, control=True)) is type(translation(error, control=True)) is TargetUnavailable


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "INSERT INTO p VALUES (1, 'SECRET')",
            r'new row for relation "p" violates check constraint .* \(SQLSTATE 23514\)',
        ),
        ("INSERT INTO p VALUES (NULL, 'SECRET')", 'null value in column "id" of relation "p"'),
        ("INSERT INTO t VALUES (2, 'one')", 'duplicate key value violates unique constraint "t_b_key"'),
        ("SELECT 'SECRET'::int", r"PostgreSQL: invalid text representation \(SQLSTATE 22P02\)\."),
        ("SELECT 'SECRET\"\n\"'::timestamp", r"PostgreSQL: invalid datetime format \(SQLSTATE 22007\)\."),
        ("SELECT 123456789::smallint", r"PostgreSQL: numeric value out of range \(SQLSTATE 22003\)\."),
    ],
)
def test_no_message_quotes_a_row(branch: PostgreSQLBranch, sql: Sql, statement: str, said: str) -> None:
    sql("CREATE TABLE p(id int PRIMARY KEY, secret text CHECK (length(secret) < 5))")
    error = raised(branch, statement)
    for text in (str(known(error)), str(translation(error))):
        assert re.search(said, text)
        assert not any(value in text for value in ("SECRET", "one)", "123456789"))
