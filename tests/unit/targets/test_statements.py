"""Hostile statements of both dialects; the ones that a task needs pass, with the tables that they write to."""

from __future__ import annotations

import pytest

from rescind.errors import StatementRefused
from rescind.targets.statements import StatementGuard, check

BOTH = ["postgres", "mysql"]

#: Neither database may run these in a task.
REFUSED = [
    # transactions
    "BEGIN", "START TRANSACTION", "start transaction read only", "COMMIT", "COMMIT AND CHAIN", "ROLLBACK",
    "ROLLBACK TO x", "SAVEPOINT x", "RELEASE SAVEPOINT x", "/* harmless */ COMMIT", "-- harmless\nCOMMIT",
    # DDL
    "CREATE TABLE x(a int)", "CREATE TEMPORARY TABLE x(a int)", "CREATE TABLE x AS SELECT 1",
    "CREATE INDEX i ON t(a)", "CREATE VIEW v AS SELECT 1", "DROP TABLE t", "ALTER TABLE t ADD a int", "TRUNCATE t",
    "TRUNCATE TABLE t", "GRANT ALL ON t TO x", "REVOKE ALL ON t FROM x", "ANALYZE t",
    # the session, and statements in disguise
    "SET x = 1", "RESET ALL", "LOCK TABLE t", "CALL x()", "DO x", "PREPARE x AS SELECT 1", "EXECUTE x",
    "DEALLOCATE x", "DECLARE c CURSOR FOR SELECT 1", "FETCH c", "CLOSE c",
    # several at once, or nothing that can be read
    "SELECT 1; COMMIT", "SELECT 1; SELECT 2", "UPDATE t SET a = 1;;COMMIT", "", ";", "-- nothing", "SELECT (",
    "gibberish",
    # SELECT that makes something
    "SELECT a INTO x FROM t", "WITH y AS (SELECT 1) SELECT * INTO x FROM y",
    # Rescind's own tables, read or written, whatever their spelling
    "SELECT * FROM rescind_marker", "SELECT 1 WHERE EXISTS (SELECT * FROM RESCIND_Marker)",
    "INSERT INTO rescind_marker(ledger) VALUES ('x')", "UPDATE a.rescind_marker SET kind = 'x'",
    "DELETE FROM rescind_marker", "WITH x AS (SELECT * FROM rescind_marker) SELECT * FROM x",
    "SELECT t.a FROM t JOIN rescind_marker m ON true", "INSERT INTO t SELECT kind FROM rescind_marker",
    "UPDATE t SET a = (SELECT max(kind) FROM rescind_marker)", "TABLE rescind_marker",
    "MERGE INTO rescind_marker USING t ON true WHEN MATCHED THEN DELETE", "DELETE FROM sqlite_sequence",
    # what MySQL runs, whatever the parser makes of it
    "SELECT 1 /*! ; COMMIT */", "/*!50000 COMMIT */", "/*M!100000 COMMIT */", "SELECT '/*!'",
]  # fmt: skip

REFUSED_BY_POSTGRESQL = [
    "END", "ABORT", "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'", "COPY t FROM STDIN",
    "COPY t TO STDOUT", "COPY t TO PROGRAM 'x'", "LISTEN x", "NOTIFY x", "UNLISTEN *", "DISCARD ALL", "VACUUM",
    "CHECKPOINT", "CLUSTER t", "REINDEX TABLE t", "DO $$ begin commit; end $$", "LOAD 'x'",
    "COMMENT ON TABLE t IS 'x'", "REFRESH MATERIALIZED VIEW v", "SECURITY LABEL ON TABLE t IS 'x'",
    "REASSIGN OWNED BY a TO b", "SET LOCAL x = 1", "SELECT '\\'; COMMIT; --'", "SELECT x$a$; COMMIT; --$a$",
    "SELECT $a$ $b$ $a$; COMMIT", "SELECT set_config('synchronous_commit', 'off', false)",
    "SELECT pg_catalog . set_config /* */ ('a', 'b', false)", """SELECT "set_config"('a', 'b', false)""",
    "SELECT pg_terminate_backend(1)", "SELECT pg_advisory_lock(1)", "SELECT pg_notify('a', 'b')",
    "SELECT * FROM dblink('x', 'COMMIT') AS t(a int)", "SELECT dblink_exec('COMMIT')",
    "SELECT query_to_xml('DELETE FROM t', true, true, '')", "SELECT lo_export(1, '/x')", "SELECT setval('s', 1)",
    'SELECT * FROM U&"rescind\\005fmarker"', 'DELETE FROM "rescind_marker"', 'DELETE FROM public."RESCIND_marker"',
]  # fmt: skip

REFUSED_BY_MYSQL = [
    "XA START 'x'", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'", "SET autocommit = 1", "SET @a = 1",
    "SET STATEMENT max_statement_time = 1 FOR COMMIT", "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
    "LOAD XML INFILE 'x' INTO TABLE t", "LOCK TABLES t WRITE", "UNLOCK TABLES", "HANDLER t OPEN",
    "SELECT * FROM t INTO OUTFILE 'x'", "SELECT * INTO OUTFILE 'x' FROM t", "SELECT 1 INTO DUMPFILE 'x'",
    "SELECT 1 INTO @x", "DO sleep(1)", "KILL 3", "FLUSH TABLES", "USE x", "RENAME TABLE t TO x", "OPTIMIZE TABLE t",
    "BEGIN NOT ATOMIC COMMIT; END", "EXECUTE IMMEDIATE 'COMMIT'", "ANALYZE DELETE FROM t", "SELECT GET_LOCK('a', 1)",
    "SELECT release_lock ('a')", "SELECT LOAD_FILE('/etc/passwd')", "INSERT DELAYED INTO t VALUES (1)",
    "SELECT /*+ SET_VAR(sql_mode = '') */ 1", "SELECT '\\\\'; COMMIT; -- '",
    "SELECT `rescind_marker`.kind FROM `rescind_marker`", "UPDATE LOW_PRIORITY rescind_marker SET kind = 'x'",
    "DELETE QUICK FROM rescind_marker", "REPLACE INTO rescind_marker VALUES (1)",
    "WITH x AS (SELECT 1) UPDATE LOW_PRIORITY t SET a = 1",
]  # fmt: skip

#: Statement, and the tables that it writes to.
ALLOWED: list[tuple[str, set[tuple[str, ...]]]] = [
    ("SELECT 1", set()),
    ("SELECT 1;", set()),
    ("SELECT count(*) FROM t WHERE a IN (SELECT a FROM s.v) FOR UPDATE", set()),
    ("(SELECT 1) UNION ALL (SELECT 2)", set()),
    ("SELECT 'COMMIT; rescind_marker' AS a -- COMMIT", set()),
    ("WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT sum(i) FROM n", set()),
    ("INSERT INTO t VALUES (1, 'x'), (2, 'y')", {("t",)}),
    ("INSERT INTO s.t(a) SELECT a FROM u", {("s", "t")}),
    ("insert into t (a) select a from u; -- done", {("t",)}),
    ("UPDATE t SET a = a + 1 WHERE b = 'x'", {("t",)}),
    ("DELETE FROM t WHERE a BETWEEN 1 AND 2", {("t",)}),
]

ALLOWED_BY_POSTGRESQL = [
    ("WITH x AS (DELETE FROM s.t RETURNING *) INSERT INTO U SELECT * FROM x", {("s", "t"), ("u",)}),
    ('INSERT INTO "T" AS x VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING *', {("T",)}),
    ("UPDATE ONLY t SET a = 1 FROM v WHERE t.x = v.x", {("t",)}),
    ("DELETE FROM t USING v WHERE t.x = v.x", {("t",)}),
    ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", {("t",)}),
    ("SELECT E'\\'; COMMIT; --'", set()),
    ("SELECT $x$; COMMIT; $x$", set()),
    ("/* /* */ COMMIT; */ SELECT nextval('s'), now(), a #>> '{x}', b::int[] FROM t", set()),
    ("SELECT pg_advisory_xact_lock(1)", set()),
]

ALLOWED_BY_MYSQL = [
    ("REPLACE INTO t VALUES (1)", {("t",)}),
    ("replace low_priority t(a) select 1", {("t",)}),
    ("INSERT IGNORE INTO t VALUES (1)", {("t",)}),
    ("INSERT INTO t SET a = 1 ON DUPLICATE KEY UPDATE a = VALUES(a)", {("t",)}),
    ("UPDATE IGNORE t SET a = 1 ORDER BY b LIMIT 3", {("t",)}),
    ("UPDATE t JOIN s.v ON t.a = v.a SET t.b = 1, v.c = 2", {("t",), ("s", "v")}),
    ("DELETE a FROM t AS a JOIN v AS b ON a.x = b.x", {("t",), ("v",)}),
    ("DELETE FROM a USING t AS a JOIN v AS b ON a.x = b.x", {("t",), ("v",)}),
    ("DELETE QUICK FROM `D`.`T` LIMIT 1", {("D", "T")}),
    ("SELECT 'it\\'s; COMMIT', \"a\\\"b\" # COMMIT", set()),
    ("SHOW TABLES", set()),
    ("DESCRIBE t", set()),
    ("EXPLAIN SELECT 1", set()),
]


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize("statement", REFUSED)
def test_refused_everywhere(dialect: str, statement: str) -> None:
    with pytest.raises(StatementRefused):
        check(statement, dialect)


@pytest.mark.parametrize("statement", REFUSED_BY_POSTGRESQL)
def test_refused_on_postgresql(statement: str) -> None:
    with pytest.raises(StatementRefused):
        check(statement, "postgres")


@pytest.mark.parametrize("statement", REFUSED_BY_MYSQL)
def test_refused_on_mysql(statement: str) -> None:
    with pytest.raises(StatementRefused):
        check(statement, "mysql")


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(("statement", "tables"), ALLOWED)
def test_allowed_everywhere(dialect: str, statement: str, tables: set[tuple[str, ...]]) -> None:
    assert check(statement, dialect) == tables


@pytest.mark.parametrize(("statement", "tables"), ALLOWED_BY_POSTGRESQL)
def test_allowed_on_postgresql(statement: str, tables: set[tuple[str, ...]]) -> None:
    assert check(statement, "postgres") == tables


@pytest.mark.parametrize(("statement", "tables"), ALLOWED_BY_MYSQL)
def test_allowed_on_mysql(statement: str, tables: set[tuple[str, ...]]) -> None:
    assert check(statement, "mysql") == tables


def test_a_refusal_names_the_statement_the_reason_and_a_way_out() -> None:
    with pytest.raises(StatementRefused, match=r"'SELECT 1 =<> 2'; it cannot be read.*write it more simply"):
        check("SELECT 1 =<> 2", "postgres")
    with pytest.raises(StatementRefused) as error:
        check("COMMIT " + "x" * 10_000, "postgres")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    "statement",
    ["SELECT %s, %(name)s FROM t LIMIT %s", "SELECT a FROM t WHERE a IN %s AND b LIKE '5%%' AND 7 %% 5 = 2"],
)
def test_parameters_stand_for_values(dialect: str, statement: str) -> None:
    assert StatementGuard(dialect).look(statement, ()) == frozenset()


def test_without_parameters_a_percent_sign_is_one() -> None:
    assert StatementGuard("mysql").look("DELETE FROM t WHERE a % 5 = 2 AND b LIKE '%s'") == {("t",)}


def test_the_first_refusal_is_remembered() -> None:
    guard = StatementGuard("postgres")
    guard.look("SELECT 1")
    guard.check()
    for statement in ("COMMIT", "DROP TABLE t"):
        with pytest.raises(StatementRefused):
            guard.look(statement)
    with pytest.raises(StatementRefused, match="COMMIT"):
        guard.check()
