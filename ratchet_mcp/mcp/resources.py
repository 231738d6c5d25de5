"""Resources: the output, the console lines and the error of an execution, whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceTemplate,
    TextResourceContents,
)

from ratchet_mcp.errors import ExecutionNotFound
from ratchet_mcp.execution.models import Status
from ratchet_mcp.mcp.long_output import ALL_LINES
from ratchet_mcp.mcp.results import printable, to_json

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.mcp.tools.spec import RatchetSource

SCHEME = "execution://"
TEMPLATES = [
    ResourceTemplate(uri_template=f"{SCHEME}{{id}}/{part}", name=part, title=title, description=description, mime_type=mime_type)
    for part, title, description, mime_type in (
        ("output", "Output of an execution", "The whole output as JSON text.", "application/json"),
        ("logs", "Console of an execution", "Every line that the code printed.", "text/plain"),
        ("error", "Error of an execution", "The whole error as JSON text.", "application/json"),
    )
]


async def _output(ratchet: Ratchet, execution_id: str) -> str | None:
    execution = await ratchet.executions.get(execution_id)
    return to_json(execution.output) if execution.status is Status.COMPLETED else None


async def _error(ratchet: Ratchet, execution_id: str) -> str | None:
    execution = await ratchet.executions.get(execution_id)
    return to_json(execution.error) if execution.error else None


async def _logs(ratchet: Ratchet, execution_id: str) -> str | None:
    await ratchet.executions.get(execution_id)
    lines = await ratchet.executions.logs(execution_id, 0, ALL_LINES)
    return "".join(f"[{line.level}] {line.message}\n" for line in lines)


PARTS: dict[str, tuple[str, Callable[[Ratchet, str], Awaitable[str | None]]]] = {
    "output": ("application/json", _output),
    "logs": ("text/plain", _logs),
    "error": ("application/json", _error),
}


class Resources:
    """The handlers of `resources/*`."""

    def __init__(self, app: RatchetSource) -> None:
        self._app = app

    async def list(self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None) -> ListResourcesResult:
        """Return no fixed resources: executions are reached by the templates."""
        return ListResourcesResult(resources=[])

    async def list_templates(
        self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """Return what can be read of an execution."""
        return ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def read(self, context: ServerRequestContext[Any, Any], params: ReadResourceRequestParams) -> ReadResourceResult:
        """Return one part of an execution. A part that is not there is a protocol error."""
        uri = str(params.uri)
        execution_id, _, part = uri.removeprefix(SCHEME).partition("/")
        if not uri.startswith(SCHEME) or part not in PARTS:
            raise _not_found(uri, "Resources are execution://{id}/output, /logs and /error.")
        mime_type, read = PARTS[part]
        try:
            text = await read(await self._app.get(), execution_id)
        except ExecutionNotFound as error:
            raise _not_found(uri, error.message) from None
        if text is None:
            raise _not_found(uri, f"This execution has no {part}.")
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=mime_type, text=printable(text))])


def _not_found(uri: str, message: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=f"Resource not found: {message}", data={"uri": uri[:500]})
