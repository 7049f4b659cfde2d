"""Rows by their key through a table of Rescind's own, which nobody ever sees, and which never stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import URL
from tests.support.servers.postgresql import PostgreSQL
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import ConstraintViolated, RightMissing, TargetConflict, TargetRefused
from rescind.targets.postgresql import binary
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

OURS = "SELECT relname FROM pg_class WHERE relname LIKE 'rescind%%' AND relname !~ 'marker'"


def upsert(target: PostgreSQLTarget, branch: PostgreSQLBranch, key: list[str], **columns: Any) -> int:
    """Write columns of values into table `v`."""
    table = target.catalog().table("v")
    return branch.writer(table, list(columns), key).write(pa.RecordBatch.from_pydict(columns))


def finish(branch: PostgreSQLBranch) -> None:
    branch.write_marker(0, "")
    branch.commit()


@contextmanager
def refused(row: int | None, match: str | None = None) -> Iterator[None]:
    with pytest.raises(ConstraintViolated, match=match) as error:
        yield
    assert error.value.row == row


@pytest.fixture(params=["binary", "text"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are sent in either form."""
    if request.param == "text":
        monkeypatch.setattr(binary, "encoder", lambda columns, bases: None)


@pytest.mark.parametrize(
    ("made", "keys"),
    [
        ("b int, a int, c int UNIQUE, PRIMARY KEY (b, a)", (("b", "a"), ("c",))),
        ("a int, UNIQUE (a) DEFERRABLE INITIALLY IMMEDIATE", ()),
        ("a int, b int, UNIQUE (a) INCLUDE (b)", (("a",),)),
        ("a int); CREATE UNIQUE INDEX ON v (a) WHERE a > 5 --", ()),
        ("a int, b int); CREATE UNIQUE INDEX ON v (b, (a + 1)) --", ()),
        ('a text, b int); CREATE UNIQUE INDEX ON v (a COLLATE "C") --', ()),
        ("a int, b int); CREATE UNIQUE INDEX ON v (b DESC, a) --", (("b", "a"),)),
        ("a int, b int, PRIMARY KEY (a)) PARTITION BY RANGE (a) --", (("a",),)),
    ],
)
def test_keys_are_what_finds_one_row(target: PostgreSQLTarget, sql: Sql, made: str, keys: object) -> None:
    sql(f"CREATE TABLE v({made}\n)".replace(" --\n)", ""))
    assert target.catalog().table("v").unique == keys


@pytest.mark.usefixtures("road")
def test_a_row_in_the_way_of_another_key_is_left_alone_and_the_row_named(
    target: PostgreSQLTarget, begin: Begin, sql: Sql
) -> None:
    sql("CREATE TABLE v(id serial PRIMARY KEY, mail text UNIQUE, x int); INSERT INTO v VALUES (1, 'a', 1), (2, 'b', 2)")
    branch = begin()
    many = list(range(10, 1_000))
    with refused(990, "v_mail_key"):
        upsert(target, branch, ["id"], id=[*many, 1, 5], mail=[*map(str, many), "b", "x"])
    with refused(1, "v_pkey"):
        upsert(target, branch, ["mail"], id=[3, 1], mail=["x", "b"])
    assert upsert(target, branch, ["mail"], mail=["b"], x=[20]) == 1
    finish(branch)
    assert sql("SELECT * FROM v ORDER BY id") == [(1, "a", 1), (2, "b", 20)]


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 64])
def test_the_first_row_that_is_refused_is_named_wherever_it_is(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, rows: int
) -> None:
    sql("CREATE TABLE u(a int PRIMARY KEY); CREATE TABLE v(k int PRIMARY KEY, p int REFERENCES u(a))")
    branch = begin()
    for row in range(rows):
        with refused(row, "foreign key"):
            upsert(target, branch, ["k"], k=list(range(rows)), p=[None] * row + [1] * (rows - row))
    finish(branch)
    assert sql("SELECT count(*) FROM v") == [(0,)]


def test_rows_that_fit_only_one_after_the_other_are_taken(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    """The first row frees the name that the second takes, and is itself replaced by the third."""
    sql("CREATE TABLE v(id int PRIMARY KEY, mail text UNIQUE); INSERT INTO v VALUES (5, 'a')")
    branch = begin()
    assert upsert(target, branch, ["id"], id=[5, 2, 5], mail=["z", "a", "y"]) == 3
    finish(branch)
    assert sql("SELECT * FROM v ORDER BY id") == [(2, "a"), (5, "y")]


@pytest.mark.usefixtures("road")
@pytest.mark.parametrize(
    ("declared", "first", "same"),
    [
        ("citext", "Anna", "ANNA"),
        ("text COLLATE nocase", "Anna", "anna"),
        ("varchar(9) COLLATE nocase", "Anna", "aNNa"),
        ("character(9)", "a", "a"),
        ("numeric", "1.0", "1.00"),
        ("interval", "1 day", "24:00:00"),
        ("inet", "10.0.0.1", "10.0.0.1/32"),
        ("mood", "glad", "glad"),
        ("short", "abc", "abc"),
    ],
)
def test_keys_are_the_same_where_the_index_says_so(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, declared: str, first: str, same: str
) -> None:
    sql("CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    sql("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 5)")
    if declared == "citext":
        with suppress(psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported):
            sql("CREATE EXTENSION citext")
        if not sql("SELECT 1 FROM pg_extension WHERE extname = 'citext'"):
            pytest.skip("this server comes without citext")
    sql(f"CREATE TABLE v(k {declared} PRIMARY KEY, x int)")
    branch = begin()
    upsert(target, branch, ["k"], k=[first, same, first], x=[1, 2, 3])
    upsert(target, branch, ["k"], k=[same, same], x=[4, 5])
    finish(branch)
    assert sql("SELECT k = %s, x FROM v", first) == [(True, 5)]


def test_a_domain_that_refuses_a_value_names_the_row(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    sql("CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0); CREATE TABLE v(k int PRIMARY KEY, x even)")
    with refused(1):
        upsert(target, begin(), ["k"], k=[1, 2, 3], x=[2, 3, 4])


def test_what_the_database_computes_and_triggers_are_as_for_any_update(
    target: PostgreSQLTarget, begin: Begin, sql: Sql
) -> None:
    sql(
        "CREATE TABLE v(k int PRIMARY KEY, x int, y int GENERATED ALWAYS AS (x * 2) STORED, z int DEFAULT 7);"
        "CREATE TABLE c(k int REFERENCES v ON DELETE CASCADE); CREATE TABLE log(n serial, what text);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log(what) VALUES (TG_OP);"
        " RETURN NULL; END $$;"
        "CREATE TRIGGER g AFTER INSERT OR UPDATE OR DELETE ON v FOR EACH ROW EXECUTE FUNCTION f();"
        "INSERT INTO v(k, x, z) VALUES (1, 1, 1); INSERT INTO c VALUES (1)"
    )
    branch = begin()
    assert upsert(target, branch, ["k"], k=[1, 2], x=[10, 20]) == 2
    finish(branch)
    assert sql("SELECT * FROM v ORDER BY k") == [(1, 10, 20, 1), (2, 20, 40, 7)]
    assert sql("SELECT what FROM log ORDER BY n") == [("INSERT",), ("UPDATE",), ("INSERT",)]
    assert sql("SELECT * FROM c") == [(1,)]


def test_a_trigger_that_skips_rows_is_not_believed(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    sql(
        "CREATE TABLE v(k int PRIMARY KEY, x int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.x = 9 THEN RETURN NULL; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER g BEFORE INSERT OR UPDATE ON v FOR EACH ROW EXECUTE FUNCTION f()"
    )
    branch = begin()
    with refused(3, "skips rows"):
        upsert(target, branch, ["k"], k=[1, 1, 2, 3], x=[1, 2, 3, 9])
    assert upsert(target, branch, ["k"], k=[1, 1], x=[9, 2]) == 2
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, 2)]


def test_an_identity_is_taken_as_it_is_given_and_is_not_changed(
    target: PostgreSQLTarget, begin: Begin, sql: Sql
) -> None:
    sql("CREATE TABLE v(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k int UNIQUE)")
    branch = begin()
    assert upsert(target, branch, ["id"], id=[7, 7, 8], k=[1, 2, 3]) == 3
    assert upsert(target, branch, ["k"], k=[3, 4]) == 2
    with pytest.raises(TargetRefused, match="GENERATED ALWAYS"):
        upsert(target, branch, ["k"], id=[9], k=[3])
    finish(branch)
    assert sql("SELECT k FROM v WHERE id IN (7, 8) ORDER BY id") == [(2,), (3,)]
    assert sql("SELECT count(*) FROM v") == [(3,)]


def test_names_are_only_names(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    sql('CREATE TABLE v("k %s ""{0}" int PRIMARY KEY, rescind_ordinal int, "rescind_ordinal_" int, excluded int)')
    branch = begin()
    columns = {'k %s "{0}': [1, 1], "rescind_ordinal": [1, 2], "rescind_ordinal_": [3, 4], "excluded": [5, 6]}
    assert upsert(target, branch, ['k %s "{0}'], **columns) == 2
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, 2, 4, 6)]


def test_partitions_and_other_schemas(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    sql(
        "CREATE TABLE v(k int PRIMARY KEY, x int) PARTITION BY RANGE (k);"
        "CREATE TABLE v1 PARTITION OF v FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE v2 PARTITION OF v FOR VALUES FROM (10) TO (20)"
    )
    branch = begin()
    upsert(target, branch, ["k"], k=[1, 11, 1], x=[1, 2, 3])
    with refused(1, "partition"):
        upsert(target, branch, ["k"], k=[2, 99], x=[1, 2])
    finish(branch)
    assert sql("SELECT * FROM v ORDER BY k") == [(1, 3), (11, 2)]


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("closed", [True, False])
def test_the_table_that_rows_go_through_is_never_seen_and_never_stays(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, protocol: Protocol, closed: bool
) -> None:
    sql("CREATE TABLE v(k int PRIMARY KEY, x int)")
    branch = begin(protocol)
    writer = branch.writer(target.catalog().table("v"), ["k", "x"], ["k"])
    for n in range(3):
        writer.write(pa.RecordBatch.from_pydict({"k": [n, 9], "x": [n, n]}))
        assert sql(OURS) == []
    if closed:
        writer.close()
        writer.close()
    branch.write_marker(6, "")
    if protocol is Protocol.two_phase:
        branch.prepare()
    assert sql(OURS) == []
    branch.commit()
    assert sql(OURS) == []
    assert sql("SELECT * FROM v ORDER BY k") == [(0, 0), (1, 1), (2, 2), (9, 2)]


def test_after_a_function_hid_an_error_the_table_stays_not_either(
    target: PostgreSQLTarget, begin: Begin, sql: Sql
) -> None:
    sql("CREATE TABLE v(k int PRIMARY KEY, x int CHECK (x < 5))")
    branch = begin()
    with refused(1):
        upsert(target, branch, ["k"], k=[1, 2], x=[1, 9])
    finish(branch)
    assert sql(OURS) == []
    assert sql("SELECT * FROM v") == []


def test_it_holds_one_batch_only(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE v(k int PRIMARY KEY, x text)")
    branch = begin()
    writer = branch.writer(target.catalog().table("v"), ["k", "x"], ["k"])
    sizes = []
    for n in range(4):
        keys = list(range(n * 500, (n + 1) * 500))
        writer.write(pa.RecordBatch.from_pydict({"k": keys, "x": ["x" * 300] * 500}))
        with branch._own() as cursor:
            sizes += cursor.execute(
                OURS.replace("relname FROM", "pg_relation_size(oid) FROM", 1) + " AND relkind = 'r'"
            ).fetchall()
    assert len(set(sizes)) == 1


def test_a_role_without_the_right_to_make_a_table_is_told_so(
    postgresql: PostgreSQL, poor: URL, target: PostgreSQLTarget, sql: Sql, identity: BranchId
) -> None:
    sql("CREATE TABLE v(k int PRIMARY KEY, x int)")
    with psycopg.connect(postgresql.admin_url(poor.database or "")) as admin:
        admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON v, rescind_marker TO {poor.username}".encode())
    with closing(PostgreSQLTarget("default", poor)) as limited:
        branch = limited.open_branch(identity, Protocol.one_phase)
        branch.start()
        with pytest.raises(RightMissing, match="CREATE in schema public"):
            upsert(limited, branch, ["k"], k=[1], x=[1])
        rows = pa.RecordBatch.from_pydict({"k": [1], "x": [1]})
        assert branch.writer(limited.catalog().table("v"), ["k", "x"]).write(rows) == 1
        finish(branch)
        branch.close()


def test_a_cancel_between_the_rows_and_their_merge_ends_it(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql("CREATE TABLE v(k int PRIMARY KEY, x int)")
    branch = begin()
    writer = branch.writer(target.catalog().table("v"), ["k", "x"], ["k"])
    stage = writer._stage.write  # type: ignore[attr-defined]

    def cancelling(*written: object) -> int:
        rows: int = stage(*written)
        branch.cancel()
        return rows

    monkeypatch.setattr(writer._stage, "write", cancelling)  # type: ignore[attr-defined]
    with pytest.raises(TargetConflict, match="cancelled"):
        writer.write(pa.RecordBatch.from_pydict({"k": [1], "x": [1]}))
    branch.rollback()
    assert sql("SELECT * FROM v") == []
    assert sql(OURS) == []
