"""First tables"""

import sqlalchemy as sa
from alembic import op

from rescind.ledger.migrations import steps

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "forgotten",
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("target", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("task", "target", name=op.f("pk_forgotten")),
    )
    steps.create_table(
        "identity",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ledger", sa.String(length=12), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_identity")),
    )
    steps.create_table(
        "made_table",
        sa.Column("target", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("at", steps.MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("target", "name", name=op.f("pk_made_table")),
    )
    steps.create_table(
        "task",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("upload", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", steps.MOMENT, nullable=False),
        sa.Column("started_at", steps.MOMENT, nullable=True),
        sa.Column("finished_at", steps.MOMENT, nullable=True),
        sa.Column("changed_at", steps.MOMENT, nullable=False),
        sa.Column("announced_at", steps.MOMENT, nullable=True),
        sa.Column("not_before", steps.MOMENT, nullable=True),
        sa.Column("waiting_for", steps.TEXT, nullable=True),
        sa.Column("protocol", sa.String(length=16), nullable=True),
        sa.Column("retry_of", sa.String(length=36), nullable=True),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=255), nullable=True),
        sa.Column("phase", sa.String(length=40), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=True),
        sa.Column("receipt", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("problem", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("retry_of", name=op.f("uq_task_retry_of")),
    )
    steps.create_index(op.f("ix_task_state_created_at_id"), "task", ["state", "created_at", "id"])
    steps.create_index(op.f("ix_task_upload"), "task", ["upload"])
    steps.create_table(
        "upload",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("filename", steps.TEXT, nullable=True),
        sa.Column("content_type", sa.String(length=255), nullable=True),
        sa.Column("content_encoding", sa.String(length=40), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", steps.MOMENT, nullable=False),
        sa.Column("deleted_at", steps.MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    steps.create_table(
        "branch",
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("branch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(length=100), nullable=False),
        sa.Column("protocol", sa.String(length=16), nullable=False),
        sa.Column("session", sa.String(length=255), nullable=False),
        sa.Column("registered_at", steps.MOMENT, nullable=False),
        sa.Column("ended_at", steps.MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_branch_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "attempt", "branch", name=op.f("pk_branch")),
    )
    steps.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("at", steps.MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_event_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    steps.create_index(op.f("ix_event_task"), "event", ["task"])
    steps.create_table(
        "idempotency_key",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("created_at", steps.MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_idempotency_key_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_key")),
    )
    steps.create_index(op.f("ix_idempotency_key_task"), "idempotency_key", ["task"])
    steps.create_table(
        "reject",
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("column_name", steps.TEXT, nullable=True),
        sa.Column("value", steps.TEXT, nullable=True),
        sa.Column("reason", steps.TEXT, nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_reject_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "ordinal", name=op.f("pk_reject")),
    )
    steps.create_table(
        "task_target",
        sa.Column("task", sa.String(length=36), nullable=False),
        sa.Column("branch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_task_target_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "branch", name=op.f("pk_task_target")),
    )
    steps.create_index(op.f("ix_task_target_target"), "task_target", ["target"])
