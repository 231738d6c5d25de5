"""The tables of everything that is remembered.

A task has executions, jobs and schedules; a schedule makes jobs; a job and a batch have executions; an execution has log lines and
deliveries; sources offer tasks. `metadata` and the migrations say the same; a test compares them.
"""

# pyright: reportAssignmentType=false
# SQLModel declares __tablename__ as a declared_attr, and takes the plain name that its own documentation shows.
from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Index, MetaData, Text, text
from sqlmodel import Field, SQLModel

from ratchet_mcp.store.types import Identifier, Json, JsonToTheLetter, RowNumber, UtcMs

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


OnDelete = Literal["CASCADE", "SET NULL", "RESTRICT"]


class Table(SQLModel):
    """The base of our tables, with names for all constraints so that migrations can speak of them."""

    metadata = MetaData(naming_convention=NAMING)


def _id(**options: Any) -> Any:
    return Field(primary_key=True, sa_type=Identifier, **options)


def _reference(target: str, *, on_delete: OnDelete = "SET NULL", **options: Any) -> Any:
    return Field(default=None, foreign_key=target, ondelete=on_delete, nullable=True, sa_type=Identifier, **options)


def _instant(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_type=UtcMs, nullable=nullable) if nullable else Field(sa_type=UtcMs, nullable=False)


def _text(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_type=Text, nullable=True) if nullable else Field(sa_type=Text, nullable=False)


def _json(kind: Any = Json) -> Any:
    return Field(default=None, sa_type=kind, nullable=True)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class TaskRow(Table, table=True):
    """One content of one version of a task; `id` follows from uuid, name, version and digest."""

    __tablename__ = "tasks"
    __table_args__ = (Index(None, "name", "version"), Index(None, "uuid"))

    id: str = _id()
    uuid: str = Field(sa_type=Identifier, nullable=False)
    name: str
    version: str
    digest: str
    title: str = _text()
    description: str = _text()
    origin: str
    location: str | None = _text(nullable=True)
    source: str = _text()
    input_schema: Any = _json(JsonToTheLetter)
    output_schema: Any = _json(JsonToTheLetter)
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class ScheduleRow(Table, table=True):
    """When a task is to run again and again."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index(None, "active", "next_run"),
        Index(None, "name", unique=True),
        Index(None, "created_at", "id"),
    )

    id: str = _id()
    task_id: str | None = _reference("tasks.id")
    task: str
    version: str | None = None
    name: str | None = None
    cron: str
    timezone: str
    input: Any = _json(JsonToTheLetter)
    priority: int = 0
    active: bool = True
    missed: str
    retry_policy: Any = _json()
    timeout_seconds: float | None = None
    delivery: Any = _json()
    principal: str
    next_run: datetime | None = _instant(nullable=True)
    last_run: datetime | None = _instant(nullable=True)
    last_job_id: str | None = Field(default=None, sa_type=Identifier, nullable=True)
    last_error: Any = _json()
    failures: int = 0
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class JobRow(Table, table=True):
    """A run that waits for its turn, with its retries. The lowest `priority` goes first."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_claim", "priority", "run_at", "id", **_where("status = 'queued'")),
        Index("ix_jobs_claim_task", "task", "priority", "run_at", "id", **_where("status = 'queued'")),
        Index("ix_jobs_due", "run_at", **_where("status = 'scheduled'")),
        Index("ix_jobs_running", "owner", **_where("status = 'running'")),
        Index(None, "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "task", "status"),
        Index(None, "schedule_id"),
        Index(None, "unique_key", unique=True),
    )

    id: str = _id()
    task_id: str | None = _reference("tasks.id")
    schedule_id: str | None = _reference("schedules.id")
    task: str
    version: str | None = None
    origin: str
    principal: str
    input: Any = _json(JsonToTheLetter)
    priority: int = 0
    status: str
    attempts: int = 0
    max_attempts: int = 1
    failures: int = 0
    crashes: int = 0
    retry_policy: Any = _json()
    timeout_seconds: float | None = None
    unique_key: str | None = None
    run_at: datetime = _instant()
    owner: str | None = None
    lease_until: datetime | None = _instant(nullable=True)
    last_error: Any = _json()
    execution_id: str | None = Field(default=None, sa_type=Identifier, nullable=True)
    kind: str = "task"
    code: str | None = _text(nullable=True)
    delivery: Any = _json()
    call: Any = _json()
    questions: Any = _json()
    answers: Any = _json()
    cancel_requested_at: datetime | None = _instant(nullable=True)
    cancel_reason: str | None = _text(nullable=True)
    created_at: datetime = _instant()
    updated_at: datetime = _instant()
    finished_at: datetime | None = _instant(nullable=True)


class ControlRow(Table, table=True):
    """How the queue treats the jobs of one task, or all jobs (`name` is `*`): paused, how many at once, how many starts in a time.

    `declared` is what the task itself says, which the columns before it outdo; `starts` are the latest starts, for the rate.
    """

    __tablename__ = "job_controls"

    name: str = Field(primary_key=True)
    paused: bool = False
    concurrency: int | None = None
    rate_count: int | None = None
    rate_seconds: float | None = None
    declared: Any = _json()
    starts: Any = _json()
    changed_at: datetime = _instant()


class BatchRow(Table, table=True):
    """Several requests that were made as one, and how each has ended so far."""

    __tablename__ = "batches"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "job_id"),
        Index("ix_batches_running", "owner", **_where("status = 'running'")),
    )

    id: str = _id()
    job_id: str | None = _reference("jobs.id")
    principal: str
    origin: str
    status: str
    owner: str | None = None
    plan: Any = _json(JsonToTheLetter)
    results: Any = _json(JsonToTheLetter)
    cancel_requested_at: datetime | None = _instant(nullable=True)
    cancel_reason: str | None = _text(nullable=True)
    created_at: datetime = _instant()
    finished_at: datetime | None = _instant(nullable=True)


class ExecutionRow(Table, table=True):
    """One run, without its big values: listing reads only this table."""

    __tablename__ = "executions"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "task", "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "origin", "created_at", "id"),
        Index(None, "task", "status", "created_at", "id"),
        Index(None, "parent_id", **_where("parent_id IS NOT NULL")),
        Index(None, "job_id", **_where("job_id IS NOT NULL")),
        Index(None, "batch_id", **_where("batch_id IS NOT NULL")),
        Index(None, "task_uuid", "created_at", "id"),
    )

    id: str = _id()
    task_id: str | None = _reference("tasks.id")
    job_id: str | None = _reference("jobs.id")
    parent_id: str | None = _reference("executions.id")
    batch_id: str | None = _reference("batches.id")
    cached_from: str | None = Field(default=None, sa_type=Identifier, nullable=True)
    task: str
    version: str
    task_uuid: str | None = Field(default=None, sa_type=Identifier, nullable=True)
    status: str
    origin: str
    principal: str
    attempt: int
    owner: str | None = None
    worker_id: str | None = None
    created_at: datetime = _instant()
    started_at: datetime | None = _instant(nullable=True)
    finished_at: datetime | None = _instant(nullable=True)
    queue_ms: float | None = None
    run_ms: float | None = None
    total_ms: float | None = None
    error_code: str | None = None
    error_message: str | None = _text(nullable=True)
    limits: Any = _json()
    progress: Any = _json(JsonToTheLetter)
    warnings: Any = _json()
    cancel_requested_at: datetime | None = _instant(nullable=True)
    cancel_reason: str | None = _text(nullable=True)


class ExecutionInputRow(Table, table=True):
    """What an execution was given."""

    __tablename__ = "execution_inputs"

    execution_id: str = _id(foreign_key="executions.id", ondelete="CASCADE")
    input: Any = _json(JsonToTheLetter)


class ExecutionResultRow(Table, table=True):
    """What an execution gave: its output, or its whole error; and what it fetched."""

    __tablename__ = "execution_results"

    execution_id: str = _id(foreign_key="executions.id", ondelete="CASCADE")
    output: Any = _json(JsonToTheLetter)
    error: Any = _json(JsonToTheLetter)
    http_calls: Any = _json(JsonToTheLetter)


class LogLineRow(Table, table=True):
    """One line that a task logged."""

    __tablename__ = "log_lines"
    __table_args__ = (Index(None, "execution_id", "sequence", unique=True),)

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    execution_id: str = Field(foreign_key="executions.id", ondelete="CASCADE", nullable=False, sa_type=Identifier)
    sequence: int
    at: datetime = _instant()
    level: str
    message: str = _text()


class DeliveryRow(Table, table=True):
    """One outcome on its way to one destination; `key` goes with it, so that a receiver can tell what it already has."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(None, "status", "next_at"),
        Index(None, "execution_id"),
        Index(None, "job_id"),
        Index(None, "created_at", "id"),
        Index(None, "key", unique=True),
    )

    id: str = _id()
    execution_id: str | None = _reference("executions.id", on_delete="CASCADE")
    job_id: str | None = _reference("jobs.id")
    task: str
    event: str
    kind: str
    destination: Any = _json(JsonToTheLetter)
    target: str | None = _text(nullable=True)
    key: str
    status: str
    attempts: int = 0
    max_attempts: int = 1
    next_at: datetime = _instant()
    owner: str | None = None
    last_error: Any = _json()
    receipt: Any = _json()
    created_at: datetime = _instant()
    updated_at: datetime = _instant()
    finished_at: datetime | None = _instant(nullable=True)


class CachedResultRow(Table, table=True):
    """The output of a run that may be given again: for the same version, input and key of a task."""

    __tablename__ = "cached_results"
    __table_args__ = (Index(None, "task"), Index(None, "expires_at"), Index(None, "used_at", "bytes"))

    key: str = Field(primary_key=True)
    task: str
    version: str
    digest: str
    execution_id: str = Field(sa_type=Identifier, nullable=False)
    output: Any = _json(JsonToTheLetter)
    bytes: int
    created_at: datetime = _instant()
    expires_at: datetime = _instant()
    used_at: datetime = _instant()


class OwnerRow(Table, table=True):
    """One process that runs executions, and when it last said that it lives."""

    __tablename__ = "owners"

    id: str = _id()
    host: str
    pid: int
    process_started: int | None = Field(default=None, sa_type=RowNumber, nullable=True)
    started_at: datetime = _instant()
    heartbeat_at: datetime = _instant()


class LastCommitRow(Table, table=True):
    """Which transaction counted last on one connection to PostgreSQL, for the case that its answer is lost."""

    __tablename__ = "last_commits"

    id: str = _id()
    number: int = Field(sa_type=RowNumber, nullable=False)
    noted_at: datetime = _instant()


class AuthoredTaskRow(Table, table=True):
    """One version of a task that was made through Ratchet: its files by their paths; `head` holds the metadata file alone."""

    __tablename__ = "authored_tasks"

    name: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    uuid: str = Field(sa_type=Identifier, nullable=False)
    digest: str
    head: Any = Field(sa_type=JsonToTheLetter, nullable=False)
    files: Any = Field(sa_type=JsonToTheLetter, nullable=False)
    principal: str
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class CatalogRow(Table, table=True):
    """One version of a task as a source offers it, or offered it until `removed_at`."""

    __tablename__ = "catalog"
    __table_args__ = (Index(None, "name"),)

    source: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    uuid: str = Field(sa_type=Identifier, nullable=False)
    digest: str | None = None
    mark: str
    created_at: datetime = _instant()
    updated_at: datetime = _instant()
    validated_at: datetime | None = _instant(nullable=True)
    removed_at: datetime | None = _instant(nullable=True)


class SwitchRow(Table, table=True):
    """Whether a task may run; a task without a row may."""

    __tablename__ = "task_switches"

    name: str = Field(primary_key=True)
    enabled: bool
    changed_at: datetime = _instant()


class RevisionRow(Table, table=True):
    """Counts the changes of a part of the database, so that other servers notice them."""

    __tablename__ = "revisions"

    name: str = Field(primary_key=True)
    number: int = Field(sa_type=RowNumber, nullable=False)


metadata = Table.metadata
