"""Jobs as rows, and rows as jobs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from ratchet_mcp.execution.models import Origin
from ratchet_mcp.execution.values import encodable
from ratchet_mcp.jobs.durations import shown_rate
from ratchet_mcp.jobs.models import Control, Job, JobStatus, Priority
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.store.job_records import ControlRecord, JobRecord

SAME = (
    "id", "task", "version", "principal", "run_at", "created_at", "updated_at", "kind", "input", "code", "attempts", "max_attempts",
    "failures", "crashes", "timeout_seconds", "unique_key", "owner", "last_error", "execution_id", "schedule_id", "delivery", "call",
    "questions", "answers", "cancel_requested_at", "cancel_reason", "finished_at",
)  # fmt: skip


def to_job(record: JobRecord) -> Job:
    """Return the job of a row."""
    values: dict[str, Any] = {name: getattr(record, name) for name in SAME}
    return Job(
        status=JobStatus(record.status),
        priority=Priority(record.priority),
        origin=Origin(record.origin),
        retry=_retry(orjson.dumps(record.retry_policy or {})),
        **values,
    )


@lru_cache(maxsize=256)
def _retry(text: bytes) -> RetryPolicy:
    """Return the policy of its JSON text; few differ."""
    return RetryPolicy.from_dict(orjson.loads(text))


def to_control(record: ControlRecord) -> Control:
    """Return the control of a row."""
    declared = record.declared or {}
    own = [name for name in ("concurrency", "rate") if name in declared and getattr(record, name) is None]
    pace = record.pace
    return Control(record.name, record.paused, record.most, None if pace is None else shown_rate(*pace), tuple(own))


def storable_error(error: dict[str, Any]) -> dict[str, Any]:
    r"""Return an error as a JSON column of every database takes it: without NUL, which PostgreSQL refuses."""
    text = orjson.dumps(encodable(error))
    return orjson.loads(text.replace(b"\\u0000", b"\\ufffd")) if b"\\u0000" in text else error
