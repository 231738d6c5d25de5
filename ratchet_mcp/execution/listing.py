"""Listing executions: what a caller asks for, and cursors."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ratchet_mcp.errors import InvalidArgument, InvalidCursor
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.store.records import ExecutionFilter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 500
"""The largest page."""


def wanted(task: str | None, status: Status | None, origin: Origin | None, since: datetime | None, cursor: str | None) -> ExecutionFilter:
    """Return the filter that a caller means; `task` is a name, `name@version` or UUID. Raises `InvalidCursor` and `InvalidArgument`."""
    name, _, version = (task or "").partition("@")
    task_uuid = _uuid(task)
    if since is not None and since.tzinfo is None:
        raise InvalidArgument("since needs a time zone, such as 2026-01-31T12:00:00Z.")
    return ExecutionFilter(
        task=name or None if task_uuid is None else None,
        version=version or None,
        task_uuid=task_uuid,
        status=None if status is None else Status(status).value,
        origin=None if origin is None else Origin(origin).value,
        since=since,
        after=None if cursor is None else read_cursor(cursor),
    )


def page_size(limit: int) -> int:
    """Return the size of a page. Raises `InvalidArgument` for less than one."""
    if limit < 1:
        raise InvalidArgument(f"limit must be at least 1, not {limit}.")
    return min(limit, MOST)


def cursor_after(created_at: datetime, id: str) -> str:
    """Return the cursor of the page that follows this execution."""
    microseconds = (created_at - EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(microseconds.to_bytes(8, "big") + UUID(id).bytes).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the execution that a cursor follows. Raises `InvalidCursor`."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
        if len(raw) != 24 or urlsafe_b64encode(raw).decode() != cursor:
            raise ValueError("not one of ours")
        return EPOCH + timedelta(microseconds=int.from_bytes(raw[:8], "big")), str(UUID(bytes=raw[8:]))
    except (ValueError, OverflowError):
        raise InvalidCursor("The cursor was not issued by this listing.") from None


def _uuid(text: str | None) -> str | None:
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        return None
