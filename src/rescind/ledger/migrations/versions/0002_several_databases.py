"""Held commits, dry runs, the incarnation of each branch, and tables that are about to be made"""

import sqlalchemy as sa
from alembic import op

from rescind.ledger.migrations import steps

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column("task", sa.Column("commit", sa.String(length=8), server_default="auto", nullable=False))
    steps.add_column("task", sa.Column("dry_run", sa.Boolean(), server_default=sa.false(), nullable=False))
    steps.add_column("task", sa.Column("hold_seconds", sa.Integer(), nullable=True))
    steps.add_column("task", sa.Column("hold_until", steps.MOMENT, nullable=True))
    steps.add_column("task", sa.Column("locks", sa.JSON(none_as_null=True), nullable=True))
    steps.add_column("branch", sa.Column("incarnation", sa.Integer(), server_default="1", nullable=False))
    steps.create_table(
        "pending_table",
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("branch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("at", steps.MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_pending_table_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "attempt", "branch", "name", name=op.f("pk_pending_table")),
    )
