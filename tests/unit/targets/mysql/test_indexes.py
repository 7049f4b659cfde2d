"""Indexes in MariaDB: a table is made with them, before its rows, and goes with them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.unit.targets.mysql.conftest import Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, TargetRefused
from rescind.targets.mysql.sql import create_table
from rescind.targets.mysql.target import MySQLTarget

COLUMNS = (
    Column("k", Type.text, "", nullable=False, key=1),
    Column("t", Type.text, ""),
    Column("other", Type.text, ""),
    Column("b", Type.binary, ""),
    Column("j", Type.json, ""),
    *(Column(f"n{n}", Type.integer, "") for n in range(17)),
)
INDEXES = """SELECT index_name, column_name, sub_part FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'made' AND index_name <> 'PRIMARY'
    ORDER BY index_name, seq_in_index"""


def made(*indexes: tuple[str, ...]) -> Table:
    return Table("made", COLUMNS, indexes=indexes)


def test_a_table_has_them_before_its_first_row(target: MySQLTarget, identity: BranchId, sql: Sql) -> None:
    branch = target.open_branch(identity, Protocol.two_phase)
    branch.create_table(made(("t",), ("t", "n1"), ("b",)))
    whole = [("b", "b", None), ("t", "t", None), ("t_2", "t", None), ("t_2", "n1", None)]
    assert sql(INDEXES) == whole
    branch.close()
    target.undo_table("made", identity)
    assert sql(INDEXES) == []


def test_texts_and_bytes_in_an_index_have_a_length_and_compare_as_others_do(
    target: MySQLTarget, identity: BranchId, sql: Sql
) -> None:
    branch = target.open_branch(identity, Protocol.two_phase)
    branch.create_table(made(("t",), ("b", "n1")))
    branch.close()
    declared = "SELECT column_type, collation_name FROM information_schema.columns WHERE column_name = %s"
    ((kind, collation),) = sql(f"{declared} AND table_schema = DATABASE()", "t")
    ((other, usual),) = sql(f"{declared} AND table_schema = DATABASE()", "other")
    assert (kind, other, collation) == ("varchar(191)", "longtext", usual)
    assert sql(f"{declared} AND table_schema = DATABASE()", "b") == [("varbinary(191)", None)]


def test_a_text_that_is_longer_is_refused_with_its_row(target: MySQLTarget, identity: BranchId) -> None:
    branch = target.open_branch(identity, Protocol.two_phase)
    branch.create_table(made(("t",)))
    branch.start()
    writer = branch.writer(made(("t",)), ["k", "t"])
    with pytest.raises(ConstraintViolated, match="191") as error:
        writer.write(pa.RecordBatch.from_pydict({"k": ["a", "b"], "t": ["ä" * 191, "ä" * 192]}))
    assert error.value.row == 1
    branch.rollback()
    branch.close()


@pytest.mark.parametrize(
    ("index", "named"),
    [
        (("j",), "Column 'j' is JSON"),
        (("n1", "j"), "'j'"),
        (tuple(f"n{n}" for n in range(17)), "17 columns: 16"),
        (("k", "t", "other", "b", "n1"), "1071"),  # 3072 bytes are the most
    ],
)
def test_what_an_index_cannot_be_is_refused_and_no_table_made(
    target: MySQLTarget, identity: BranchId, index: tuple[str, ...], named: str
) -> None:
    columns = (*COLUMNS, Column("long", Type.text, ""))
    branch = target.open_branch(identity, Protocol.two_phase)
    with pytest.raises(TargetRefused, match=named):
        branch.create_table(Table("made", columns, indexes=(index if named != "1071" else (*index, "long"),)))
    branch.close()
    assert target.catalog().tables() == []


@pytest.mark.parametrize(("maria", "collation"), [(True, "utf8mb4_nopad_bin"), (False, "utf8mb4_0900_bin")])
def test_a_text_in_a_key_is_compared_as_it_is_written(identity: BranchId, maria: bool, collation: str) -> None:
    """MySQL's manual: its collations of UCA 9.0.0 alone are NO PAD, and count the spaces at the end."""
    statement = create_table(made(), identity, maria, has_uuid=maria)
    assert f"`k` VARCHAR(191) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL" in statement
