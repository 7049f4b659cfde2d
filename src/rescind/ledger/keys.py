"""The key under which the ledger's tables know a branch."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table

from rescind.domain.branch import BranchId


def of_branch(table: Table, branch: BranchId) -> tuple[ColumnElement[bool], ...]:
    """The condition for the rows of a branch. One of another incarnation has the same key."""
    return table.c.task == branch.task, table.c.attempt == branch.attempt, table.c.branch == branch.branch
