"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ratchet_mcp.store import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "owners",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", types.RowNumber, nullable=True),
        sa.Column("started_at", types.UtcMs(), nullable=False),
        sa.Column("heartbeat_at", types.UtcMs(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owners")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("uuid", types.Identifier, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("input_schema", types.JsonToTheLetter, nullable=True),
        sa.Column("output_schema", types.JsonToTheLetter, nullable=True),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("updated_at", types.UtcMs(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_name_version"), "tasks", ["name", "version"], unique=False)
    op.create_index(op.f("ix_tasks_uuid"), "tasks", ["uuid"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("task_id", types.Identifier, nullable=True),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("input", types.JsonToTheLetter, nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("missed", sa.String(), nullable=False),
        sa.Column("retry_policy", types.Json, nullable=True),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("next_run", types.UtcMs(), nullable=True),
        sa.Column("last_run", types.UtcMs(), nullable=True),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("updated_at", types.UtcMs(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_schedules_task_id_tasks"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_active_next_run"), "schedules", ["active", "next_run"], unique=False)
    op.create_index(op.f("ix_schedules_task_id"), "schedules", ["task_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("task_id", types.Identifier, nullable=True),
        sa.Column("schedule_id", types.Identifier, nullable=True),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("input", types.JsonToTheLetter, nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("retry_policy", types.Json, nullable=True),
        sa.Column("timeout_seconds", sa.Float(), nullable=True),
        sa.Column("unique_key", sa.String(), nullable=True),
        sa.Column("run_at", types.UtcMs(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("lease_until", types.UtcMs(), nullable=True),
        sa.Column("last_error", types.Json, nullable=True),
        sa.Column("cancel_requested_at", types.UtcMs(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("updated_at", types.UtcMs(), nullable=False),
        sa.Column("finished_at", types.UtcMs(), nullable=True),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name=op.f("fk_jobs_schedule_id_schedules"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_jobs_task_id_tasks"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_created_at_id"), "jobs", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_jobs_schedule_id"), "jobs", ["schedule_id"], unique=False)
    op.create_index(op.f("ix_jobs_status_priority_run_at"), "jobs", ["status", "priority", "run_at"], unique=False)
    op.create_index(op.f("ix_jobs_task_id"), "jobs", ["task_id"], unique=False)
    op.create_index(op.f("ix_jobs_unique_key"), "jobs", ["unique_key"], unique=True)
    op.create_table(
        "executions",
        sa.Column("id", types.Identifier, nullable=False),
        sa.Column("task_id", types.Identifier, nullable=True),
        sa.Column("job_id", types.Identifier, nullable=True),
        sa.Column("parent_id", types.Identifier, nullable=True),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("task_uuid", types.Identifier, nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("created_at", types.UtcMs(), nullable=False),
        sa.Column("started_at", types.UtcMs(), nullable=True),
        sa.Column("finished_at", types.UtcMs(), nullable=True),
        sa.Column("queue_ms", sa.Float(), nullable=True),
        sa.Column("run_ms", sa.Float(), nullable=True),
        sa.Column("total_ms", sa.Float(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("limits", types.Json, nullable=True),
        sa.Column("progress", types.JsonToTheLetter, nullable=True),
        sa.Column("warnings", types.Json, nullable=True),
        sa.Column("cancel_requested_at", types.UtcMs(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_executions_job_id_jobs"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["parent_id"], ["executions.id"], name=op.f("fk_executions_parent_id_executions"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_executions_task_id_tasks"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
    )
    op.create_index(op.f("ix_executions_created_at_id"), "executions", ["created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_executions_job_id"),
        "executions",
        ["job_id"],
        unique=False,
        sqlite_where=sa.text("job_id IS NOT NULL"),
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_executions_origin_created_at_id"), "executions", ["origin", "created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_executions_parent_id"),
        "executions",
        ["parent_id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_executions_status_created_at_id"), "executions", ["status", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_executions_task_created_at_id"), "executions", ["task", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_executions_task_id"), "executions", ["task_id"], unique=False)
    op.create_index(op.f("ix_executions_task_status_created_at_id"), "executions", ["task", "status", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_executions_task_uuid_created_at_id"), "executions", ["task_uuid", "created_at", "id"], unique=False)
    op.create_table(
        "execution_inputs",
        sa.Column("execution_id", types.Identifier, nullable=False),
        sa.Column("input", types.JsonToTheLetter, nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name=op.f("fk_execution_inputs_execution_id_executions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_execution_inputs")),
    )
    op.create_table(
        "execution_results",
        sa.Column("execution_id", types.Identifier, nullable=False),
        sa.Column("output", types.JsonToTheLetter, nullable=True),
        sa.Column("error", types.JsonToTheLetter, nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name=op.f("fk_execution_results_execution_id_executions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_execution_results")),
    )
    op.create_table(
        "log_lines",
        sa.Column("id", types.RowNumber, nullable=False),
        sa.Column("execution_id", types.Identifier, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", types.UtcMs(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_log_lines_execution_id_executions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_lines")),
    )
    op.create_index(op.f("ix_log_lines_execution_id_sequence"), "log_lines", ["execution_id", "sequence"], unique=True)


def downgrade() -> None:
    op.drop_index(op.f("ix_log_lines_execution_id_sequence"), table_name="log_lines")
    op.drop_table("log_lines")
    op.drop_table("execution_results")
    op.drop_table("execution_inputs")
    op.drop_index(op.f("ix_executions_task_uuid_created_at_id"), table_name="executions")
    op.drop_index(op.f("ix_executions_task_status_created_at_id"), table_name="executions")
    op.drop_index(op.f("ix_executions_task_id"), table_name="executions")
    op.drop_index(op.f("ix_executions_task_created_at_id"), table_name="executions")
    op.drop_index(op.f("ix_executions_status_created_at_id"), table_name="executions")
    op.drop_index(
        op.f("ix_executions_parent_id"),
        table_name="executions",
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.drop_index(op.f("ix_executions_origin_created_at_id"), table_name="executions")
    op.drop_index(
        op.f("ix_executions_job_id"),
        table_name="executions",
        sqlite_where=sa.text("job_id IS NOT NULL"),
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.drop_index(op.f("ix_executions_created_at_id"), table_name="executions")
    op.drop_table("executions")
    op.drop_index(op.f("ix_jobs_unique_key"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_task_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_status_priority_run_at"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_schedule_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_created_at_id"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_schedules_task_id"), table_name="schedules")
    op.drop_index(op.f("ix_schedules_active_next_run"), table_name="schedules")
    op.drop_table("schedules")
    op.drop_index(op.f("ix_tasks_uuid"), table_name="tasks")
    op.drop_index(op.f("ix_tasks_name_version"), table_name="tasks")
    op.drop_table("tasks")
    op.drop_table("owners")
