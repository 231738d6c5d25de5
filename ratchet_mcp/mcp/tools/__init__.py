"""MCP tools, one module a toolset."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.mcp.tools import (
    admin,
    authoring,
    batch,
    debugging,
    deliveries,
    execute,
    executions,
    jobs,
    schedules,
    server,
    sharing,
    status,
    tasks,
    testing,
    validating,
)
from ratchet_mcp.mcp.tools.spec import ToolSpec

ALL: list[ToolSpec[Any]] = [
    *tasks.TOOLS,
    *execute.TOOLS,
    *batch.TOOLS,
    *status.TOOLS,
    *executions.TOOLS,
    *server.TOOLS,
    *authoring.TOOLS,
    *validating.TOOLS,
    *testing.TOOLS,
    *debugging.TOOLS,
    *sharing.TOOLS,
    *admin.TOOLS,
    *jobs.TOOLS,
    *schedules.TOOLS,
    *deliveries.TOOLS,
]
"""Every tool, in the order in which clients see them."""
