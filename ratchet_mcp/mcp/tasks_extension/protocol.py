"""What the extension looks like on the wire. Source: SEP-2663, and SEP-2243 for the routing header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.types import HEADER_MISMATCH, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY, ClientCapabilities, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from ratchet_mcp.jobs.models import Job
    from ratchet_mcp.settings.server import McpSettings

TASKS = "io.modelcontextprotocol/tasks"
REQUIRED: dict[str, Any] = {"requiredCapabilities": {"extensions": {TASKS: {}}}}


class TaskIdParams(RequestParams):
    """Parameters of tasks/get and tasks/cancel."""

    task_id: str = Field(max_length=200)


class TaskUpdateParams(TaskIdParams):
    """Parameters of tasks/update: answers by the keys of the questions."""

    input_responses: dict[str, Any] = Field(default_factory=dict[str, Any])


def declared(context: ServerRequestContext[Any, Any]) -> bool:
    """Tell whether the client has declared in this request that it knows tasks."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return False
    return context.session.check_client_capability(ClientCapabilities(extensions={TASKS: {}}))


def admit(context: ServerRequestContext[Any, Any], task_id: str) -> None:
    """Raise `MCPError` for a request about a task that may not be answered: of an old client, undeclared, or routed by another name."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=context.method)
    headers = getattr(context.request, "headers", None)
    if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != task_id:
        raise MCPError(code=HEADER_MISMATCH, message="The header Mcp-Name does not match params.taskId.")
    require(context)


def require(context: ServerRequestContext[Any, Any]) -> None:
    """Raise `MCPError` when the client has not declared the extension."""
    if not declared(context):
        message = f"Only clients that declare the extension {TASKS} may do this."
        raise MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message=message, data=REQUIRED)


def created(job: Job, settings: McpSettings) -> dict[str, Any]:
    """Return the result of a call that became a task."""
    return {"resultType": "task", **task(job, "working", settings)}


def task(job: Job, status: str, settings: McpSettings) -> dict[str, Any]:
    """Return what all messages about a task say of it."""
    return {
        "taskId": job.id,
        "status": status,
        "createdAt": _instant(job.created_at.isoformat()),
        "lastUpdatedAt": _instant((job.finished_at or job.updated_at).isoformat()),
        "ttlMs": round(settings.task_ttl_seconds * 1000),
        "pollIntervalMs": round(settings.task_poll_seconds * 1000),
    }


def _instant(text: str) -> str:
    return text.replace("+00:00", "Z")
