"""What sources offer, what may run, and the tasks that were made through Ratchet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ratchet_mcp.store import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authored_tasks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("uuid", types.Identifier, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("head", types.JsonToTheLetter, nullable=False),
        sa.Column("files", types.JsonToTheLetter, nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("updated_at", types.UtcMs(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_authored_tasks")),
    )
    op.create_table(
        "catalog",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("uuid", types.Identifier, nullable=False),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("updated_at", types.UtcMs(), nullable=False),
        sa.Column("validated_at", types.UtcMs(), nullable=True),
        sa.Column("removed_at", types.UtcMs(), nullable=True),
        sa.PrimaryKeyConstraint("source", "name", "version", name=op.f("pk_catalog")),
    )
    op.create_index(op.f("ix_catalog_name"), "catalog", ["name"])
    op.create_table(
        "task_switches",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", types.UtcMs(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_task_switches")),
    )
    op.create_table(
        "revisions",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("number", types.RowNumber, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )


def downgrade() -> None:
    op.drop_table("revisions")
    op.drop_table("task_switches")
    op.drop_index(op.f("ix_catalog_name"), table_name="catalog")
    op.drop_table("catalog")
    op.drop_table("authored_tasks")
