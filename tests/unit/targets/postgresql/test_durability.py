"""A commit waits for the disk (PROTOCOL R10), and the marker is where it is looked for, whatever triggers set."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy.engine import make_url
from tests.support.servers.postgresql import PostgreSQL
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

TIMES = 4  #: a server may have written by itself what nobody has asked it to
HASTY = """
CREATE TABLE t(a integer PRIMARY KEY);
CREATE FUNCTION hasty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM set_config('synchronous_commit', '{value}', {local}); RETURN NEW; END $$;
CREATE {trigger} EXECUTE FUNCTION hasty();
"""
TRIGGERS = {
    "at once": "TRIGGER h BEFORE INSERT ON t FOR EACH ROW",
    "at the commit": "CONSTRAINT TRIGGER h AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
}


def waits(branch: PostgreSQLBranch) -> str:
    """What the branch's session says of its commits."""
    connection = branch.connection().connection.driver_connection
    assert connection is not None
    (row,) = psycopg.Cursor(connection).execute("SHOW synchronous_commit").fetchall()
    return str(row[0])


@pytest.mark.parametrize("when", TRIGGERS)
@pytest.mark.parametrize("local", ["true", "false"])
def test_what_a_trigger_says_of_the_commit_is_taken_back(begin: Begin, sql: Sql, when: str, local: str) -> None:
    sql(HASTY.format(trigger=TRIGGERS[when], local=local, value="off"))
    branch = begin()
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (1)")
    branch.write_marker(1, "")
    assert waits(branch) == "on"


@pytest.mark.parametrize(("said", "kept"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
def test_of_what_the_database_says_only_the_stronger_is_kept(begin: Begin, sql: Sql, said: str, kept: str) -> None:
    (database,) = sql("SELECT current_database()")[0]
    sql(f"ALTER DATABASE {database} SET synchronous_commit = {said}")
    branch = begin()
    assert waits(branch) == kept
    branch.write_marker(0, "")
    assert waits(branch) == kept


@pytest.mark.parametrize("when", TRIGGERS)
def test_the_marker_goes_where_it_is_looked_for(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, identity: BranchId, when: str
) -> None:
    hasty = HASTY.replace("synchronous_commit", "search_path")
    sql("CREATE SCHEMA s; CREATE TABLE s.rescind_marker(LIKE rescind_marker)")
    sql(hasty.format(trigger=TRIGGERS[when], local="true", value="s"))
    branch = begin()
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (1)")
    branch.write_marker(1, "")
    branch.commit()
    assert [marker.branch for marker in target.markers(identity.ledger, identity.task)] == [identity]


def test_a_trigger_of_the_markers_own_table_has_not_the_last_word(begin: Begin, sql: Sql) -> None:
    sql(HASTY.format(trigger=TRIGGERS["at once"].replace("ON t", "ON rescind_marker"), local="true", value="off"))
    branch = begin()
    branch.write_marker(0, "")
    assert waits(branch) == "on"


def test_the_session_of_a_prepared_branch_waits_too(begin: Begin, sql: Sql) -> None:
    sql(HASTY.format(trigger=TRIGGERS["at the commit"], local="false", value="off"))
    branch = begin(Protocol.two_phase)
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (1)")
    branch.write_marker(1, "")
    branch.prepare()
    assert waits(branch) == "on"
    branch.commit()


@pytest.mark.parametrize("when", TRIGGERS)
def test_what_was_committed_past_such_a_trigger_outlives_the_server(
    own_postgresql: PostgreSQL, identity: BranchId, when: str
) -> None:
    url = own_postgresql.make_database()
    with psycopg.connect(url) as connection:
        connection.execute(HASTY.format(trigger=TRIGGERS[when], local="true", value="off").encode())
    with closing(PostgreSQLTarget("default", make_url(url))) as target:
        target.set_up()
        for attempt in range(TIMES):
            branch = target.open_branch(replace(identity, attempt=attempt), Protocol.one_phase)
            branch.start()
            branch.connection().exec_driver_sql(f"INSERT INTO t VALUES ({attempt})")
            branch.write_marker(1, "")
            branch.commit()
            own_postgresql.kill()
            branch.close()
            own_postgresql.start()
            assert [marker.branch.attempt for marker in target.markers(identity.ledger, identity.task)] == [
                *range(attempt + 1)
            ]
        assert target.catalog().count("t") == TIMES
