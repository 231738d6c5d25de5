"""The MCP server: one `Server` of the SDK for every transport and both protocol eras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loguru import logger
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.caching import CacheHint
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, ListToolsResult
from pydantic import ValidationError

from ratchet_mcp import __version__
from ratchet_mcp.errors import InternalError, Interrupted, InvalidCursor, RatchetError
from ratchet_mcp.mcp import results
from ratchet_mcp.mcp.elicitation import Asked
from ratchet_mcp.mcp.resources import Resources
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.mcp.tools.spec import Call, RatchetSource, ToolSpec
from ratchet_mcp.mcp.toolsets import offered, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.caching import CacheableMethod
    from mcp.server.context import CallNext, HandlerResult
    from mcp.server.models import InitializationOptions
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from ratchet_mcp.settings import Settings

INSTRUCTIONS = (
    "Ratchet runs small JavaScript tasks in a sandbox. Find one with list_tasks, run it with execute_task; run your own function with "
    "run_javascript. A call that answers with status running goes on: ask get_status with its execution_id."
)
CACHE_HINTS: Mapping[CacheableMethod, CacheHint] = {
    "tools/list": CacheHint(ttl_ms=300_000, scope="public"),
    "server/discover": CacheHint(ttl_ms=300_000, scope="public"),
    "resources/templates/list": CacheHint(ttl_ms=300_000, scope="public"),
}


class RatchetServer(Server[Any]):
    """The SDK's low-level server with our tools and resources.

    Tools and templates do not change while it runs, so no `listChanged` is announced; `notifications` says otherwise when set.
    `calls` counts the tool calls under way; once `stopping` is set, new ones are refused.
    """

    def __init__(self, app: RatchetSource, settings: Settings, tools: list[ToolSpec[Any]] | None = None) -> None:
        self.app = app
        self.settings = settings
        self._all = ALL if tools is None else tools
        self.tools = offered(self._all, settings.mcp)
        self.notifications = NotificationOptions()
        self.calls = 0
        self.stopping = False
        resources = Resources(app)
        super().__init__(
            "ratchet",
            version=__version__,
            title="Ratchet",
            description="Runs JavaScript tasks safely",
            instructions=INSTRUCTIONS,
            cache_hints=CACHE_HINTS,
            get_tool_input_schema=self._input_schema,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=resources.list,
            on_list_resource_templates=resources.list_templates,
            on_read_resource=resources.read,
        )
        # The SDK's only default is OpenTelemetry, a third of the cost of a call and of no use without an exporter.
        self.middleware[:] = [_without_internals]

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """Tell what every transport of the SDK asks for without arguments."""
        return super().create_initialization_options(notification_options or self.notifications, experimental_capabilities, extensions)

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self.tools.get(name)
        return tool.input_schema if tool else None

    async def _list_tools(self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        if params is not None and params.cursor is not None:
            raise MCPError(code=INVALID_PARAMS, message="Invalid cursor: all tools are on the first page.")
        return ListToolsResult(tools=[tool.wire for tool in self.tools.values()])

    async def _call_tool(self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> Any:
        tool = self.tools.get(params.name)
        if tool is None:
            raise MCPError(code=INVALID_PARAMS, message=why_not(params.name, self._all, self.tools, self.settings.mcp))
        self.calls += 1
        try:
            if self.stopping:
                raise Interrupted("The server is stopping.")
            return await tool.call(Call(self.app, self.settings, context), params.arguments or {})
        except Asked as question:
            return question.result
        except InvalidCursor as error:
            raise MCPError(code=INVALID_PARAMS, message=f"{error.message} {error.hint or ''}".strip()) from None
        except RatchetError as error:
            return results.from_error(error)
        except MCPError:
            raise
        except Exception:
            logger.exception("The tool {} failed", tool.name)
            return results.from_error(InternalError(f"{tool.name} failed on a defect of the server.", hint="Its log has the details."))
        finally:
            self.calls -= 1


async def _without_internals(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Keep the text of unexpected exceptions from the client; the SDK would send it on handshake connections."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except RatchetError as error:
        raise MCPError(code=INTERNAL_ERROR, message=error.message, data=results.clipped(error.to_dict())) from None
    except Exception:
        logger.exception("{} failed", ctx.method)
        raise MCPError(code=INTERNAL_ERROR, message="Internal error; the server's log has the details.") from None


def build(app: RatchetSource, settings: Settings) -> RatchetServer:
    """Return the server for one process; every transport and connection shares it."""
    return RatchetServer(app, settings)
