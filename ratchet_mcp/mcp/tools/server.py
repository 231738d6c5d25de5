"""The tool that tells how the server is doing."""

from __future__ import annotations

from ratchet_mcp.mcp.results import ToolResult, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.spec import READ_ONLY, Call, ToolSpec


class ServerStatus(Arguments):
    """No arguments."""


async def server_status(call: Call, arguments: ServerStatus) -> ToolResult:
    """Return the status of every service."""
    status = (await call.app.get()).status()
    if call.task_tools is not None:
        status["task_tools"] = call.task_tools.status()
    return success(status)


TOOLS: list[ToolSpec[ServerStatus]] = [
    ToolSpec(
        name="server_status",
        title="Server status",
        description="Version, isolation level, workers, queue, store and number of tasks of this server. Example: {}",
        arguments=ServerStatus,
        output=schemas.result(
            {
                "version": schemas.STRING,
                "uptime_seconds": schemas.NUMBER,
                "started_at": schemas.STRING,
                "isolation": schemas.OBJECT,
                "workers": {"type": "array", "items": schemas.OBJECT},
                "queue": schemas.OBJECT,
                "executions": schemas.OBJECT,
                "jobs": schemas.OBJECT,
                "schedules": schemas.OBJECT,
                "deliveries": schemas.OBJECT,
                "store": schemas.OBJECT,
                "tasks": schemas.OBJECT,
                "task_tools": schemas.OBJECT,
            }
        ),
        annotations=READ_ONLY,
        handler=server_status,
    )
]
