"""What an execution fetched, beside its result."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ratchet_mcp.store import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("execution_results") as table:
        table.add_column(sa.Column("http_calls", types.JsonToTheLetter, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("execution_results") as table:
        table.drop_column("http_calls")
