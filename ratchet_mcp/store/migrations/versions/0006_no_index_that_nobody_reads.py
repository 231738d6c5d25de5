"""Away with indexes on the row of a task: nothing looks there, and each write had to keep them."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("executions", "jobs", "schedules")


def upgrade() -> None:
    for table in TABLES:
        op.drop_index(op.f(f"ix_{table}_task_id"), table_name=table)


def downgrade() -> None:
    for table in TABLES:
        op.create_index(op.f(f"ix_{table}_task_id"), table, ["task_id"], unique=False)
