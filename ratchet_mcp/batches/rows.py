"""Batches as rows, and rows as batches."""

from __future__ import annotations

from ratchet_mcp.batches.models import Batch, BatchStatus, RequestResult, RequestStatus
from ratchet_mcp.batches.plan import Plan
from ratchet_mcp.errors import BatchFailed
from ratchet_mcp.store.batches import BatchRecord


def waiting(plan: Plan) -> list[RequestResult]:
    """Return the results of a plan of which nothing has run."""
    return [RequestResult(request.id, request.task) for request in plan.requests]


def row_of(batch: Batch, plan: Plan) -> BatchRecord:
    """Return the row of a batch."""
    return BatchRecord(
        batch.id,
        batch.status.value,
        batch.principal,
        batch.origin,
        batch.created_at,
        plan.to_json(),
        [result.to_row() for result in batch.results],
        batch.job_id,
    )


def batch_of(record: BatchRecord) -> Batch:
    """Return the batch of a row, without the outputs of its requests."""
    results = [RequestResult.from_row(row) for row in record.results]
    status, created, finished = BatchStatus(record.status), record.created_at, record.finished_at
    return Batch(record.id, status, record.principal, record.origin, created, results, finished, record.job_id)


def failure_of(batch: Batch) -> BatchFailed:
    """Return the error of the job of a batch of which not all completed."""
    failed = [result.id for result in batch.results if result.status not in (RequestStatus.COMPLETED, RequestStatus.SKIPPED)]
    return BatchFailed(
        f"Of {len(batch.results)} requests {len(failed)} failed: {', '.join(failed[:5])}{', …' if len(failed) > 5 else ''}.",
        details={"batch_id": batch.id, "failed": failed},
    )
