"""Jobs that can be controlled, batches, deliveries, and results that are kept."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from ratchet_mcp.store import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _jobs_and_schedules()
    _controls()
    _batches()
    _deliveries()
    _cached_results()


def downgrade() -> None:
    for table in ("cached_results", "deliveries"):
        op.drop_table(table)
    op.drop_index(op.f("ix_executions_batch_id"), table_name="executions")
    with op.batch_alter_table("executions") as table:
        table.drop_constraint(op.f("fk_executions_batch_id_batches"), type_="foreignkey")
        table.drop_column("batch_id")
        table.drop_column("cached_from")
    op.drop_table("batches")
    op.drop_table("job_controls")
    for name in (
        "ix_jobs_claim",
        "ix_jobs_claim_task",
        "ix_jobs_due",
        "ix_jobs_running",
        op.f("ix_jobs_status_created_at_id"),
        op.f("ix_jobs_task_status"),
    ):
        op.drop_index(name, table_name="jobs")
    with op.batch_alter_table("jobs") as table:
        for column in ("failures", "crashes", "execution_id", "kind", "code", "delivery", "call", "questions", "answers"):
            table.drop_column(column)
    op.create_index(op.f("ix_jobs_status_priority_run_at"), "jobs", ["status", "priority", "run_at"])
    for name in (op.f("ix_schedules_name"), op.f("ix_schedules_created_at_id")):
        op.drop_index(name, table_name="schedules")
    with op.batch_alter_table("schedules") as table:
        for column in ("timeout_seconds", "delivery", "last_job_id", "last_error", "failures"):
            table.drop_column(column)


def _jobs_and_schedules() -> None:
    with op.batch_alter_table("schedules") as table:
        table.add_column(sa.Column("timeout_seconds", sa.Float(), nullable=True))
        table.add_column(sa.Column("delivery", types.Json, nullable=True))
        table.add_column(sa.Column("last_job_id", types.Identifier, nullable=True))
        table.add_column(sa.Column("last_error", types.Json, nullable=True))
        table.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(op.f("ix_schedules_name"), "schedules", ["name"], unique=True)
    op.create_index(op.f("ix_schedules_created_at_id"), "schedules", ["created_at", "id"])
    op.drop_index(op.f("ix_jobs_status_priority_run_at"), table_name="jobs")
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("crashes", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("execution_id", types.Identifier, nullable=True))
        table.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="task"))
        table.add_column(sa.Column("code", sa.Text(), nullable=True))
        table.add_column(sa.Column("delivery", types.Json, nullable=True))
        table.add_column(sa.Column("call", types.Json, nullable=True))
        table.add_column(sa.Column("questions", types.Json, nullable=True))
        table.add_column(sa.Column("answers", types.Json, nullable=True))
    op.create_index("ix_jobs_claim", "jobs", ["priority", "run_at", "id"], **_where("status = 'queued'"))
    op.create_index("ix_jobs_claim_task", "jobs", ["task", "priority", "run_at", "id"], **_where("status = 'queued'"))
    op.create_index("ix_jobs_due", "jobs", ["run_at"], **_where("status = 'scheduled'"))
    op.create_index("ix_jobs_running", "jobs", ["owner"], **_where("status = 'running'"))
    op.create_index(op.f("ix_jobs_status_created_at_id"), "jobs", ["status", "created_at", "id"])
    op.create_index(op.f("ix_jobs_task_status"), "jobs", ["task", "status"])


def _controls() -> None:
    op.create_table(
        "job_controls",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=True),
        sa.Column("rate_count", sa.Integer(), nullable=True),
        sa.Column("rate_seconds", sa.Float(), nullable=True),
        sa.Column("declared", types.Json, nullable=True),
        sa.Column("starts", types.Json, nullable=True),
        sa.Column("changed_at", types.UtcMs(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_controls")),
    )


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("job_id", types.Identifier, nullable=True),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("plan", types.JsonToTheLetter, nullable=True),
        sa.Column("results", types.JsonToTheLetter, nullable=True),
        sa.Column("cancel_requested_at", types.UtcMs(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("finished_at", types.UtcMs(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_batches_job_id_jobs"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index(op.f("ix_batches_created_at_id"), "batches", ["created_at", "id"])
    op.create_index(op.f("ix_batches_job_id"), "batches", ["job_id"])
    op.create_index("ix_batches_running", "batches", ["owner"], **_where("status = 'running'"))
    batch = sa.ForeignKey("batches.id", name=op.f("fk_executions_batch_id_batches"), ondelete="SET NULL")
    with op.batch_alter_table("executions") as table:
        table.add_column(sa.Column("batch_id", types.Identifier, batch, nullable=True))
        table.add_column(sa.Column("cached_from", types.Identifier, nullable=True))
    op.create_index(op.f("ix_executions_batch_id"), "executions", ["batch_id"], **_where("batch_id IS NOT NULL"))


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("execution_id", types.Identifier, nullable=True),
        sa.Column("job_id", types.Identifier, nullable=True),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("destination", types.JsonToTheLetter, nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", types.UtcMs(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("last_error", types.Json, nullable=True),
        sa.Column("receipt", types.Json, nullable=True),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("updated_at", types.UtcMs(), nullable=False),
        sa.Column("finished_at", types.UtcMs(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name=op.f("fk_deliveries_execution_id_executions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_deliveries_job_id_jobs"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_created_at_id"), "deliveries", ["created_at", "id"])
    op.create_index(op.f("ix_deliveries_execution_id"), "deliveries", ["execution_id"])
    op.create_index(op.f("ix_deliveries_job_id"), "deliveries", ["job_id"])
    op.create_index(op.f("ix_deliveries_status_next_at"), "deliveries", ["status", "next_at"])
    op.create_index(op.f("ix_deliveries_key"), "deliveries", ["key"], unique=True)


def _cached_results() -> None:
    op.create_table(
        "cached_results",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("execution_id", types.Identifier, nullable=False),
        sa.Column("output", types.JsonToTheLetter, nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("expires_at", types.UtcMs(), nullable=False),
        sa.Column("used_at", types.UtcMs(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_cached_results")),
    )
    for column in ("task", "expires_at"):
        op.create_index(op.f(f"ix_cached_results_{column}"), "cached_results", [column])
    op.create_index(op.f("ix_cached_results_used_at_bytes"), "cached_results", ["used_at", "bytes"])


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
