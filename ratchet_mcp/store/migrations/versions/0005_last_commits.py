"""Which transactions counted, for those whose answer is lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ratchet_mcp.store import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "last_commits",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("number", types.RowNumber, nullable=False),
        sa.Column("noted_at", types.UtcMs(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_last_commits")),
    )


def downgrade() -> None:
    op.drop_table("last_commits")
