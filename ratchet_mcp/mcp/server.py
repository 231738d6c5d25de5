"""The MCP server: one `Server` of the SDK for every transport and both protocol eras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loguru import logger
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.caching import CacheHint
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, ListToolsResult, NotificationParams
from pydantic import ValidationError

from ratchet_mcp import __version__
from ratchet_mcp.errors import InternalError, Interrupted, InvalidCursor, RatchetError
from ratchet_mcp.mcp import results
from ratchet_mcp.mcp.completions import Completions
from ratchet_mcp.mcp.elicitation import Asked
from ratchet_mcp.mcp.following import Following
from ratchet_mcp.mcp.prompts import Prompts
from ratchet_mcp.mcp.resources import Resources
from ratchet_mcp.mcp.task_tools import TaskTools
from ratchet_mcp.mcp.tasks_extension.listening import TaskStreams
from ratchet_mcp.mcp.tasks_extension.service import TasksExtension, Telling
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.mcp.tools.spec import Call, RatchetSource, ToolSpec
from ratchet_mcp.mcp.toolsets import offered, why_not
from ratchet_mcp.mcp.uris import GUIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.caching import CacheableMethod
    from mcp.server.context import CallNext, HandlerResult
    from mcp.server.models import InitializationOptions
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from ratchet_mcp.mcp.task_tool import TaskTool
    from ratchet_mcp.settings import Settings

INSTRUCTIONS = (
    "Ratchet runs small JavaScript tasks in a sandbox. Find one with list_tasks, run it with execute_task; run your own function with "
    "run_javascript. A call that answers with status running goes on: ask get_status with its execution_id."
)
AUTHORING = f" Make a task of what you need again: read {GUIDE}, then create_task and test_task."
TASK_TOOLS = " Some tasks are tools of their own; if there are more than {cap}, none is: use list_tasks, get_task, execute_task."
CATALOGUE = (
    " {count} tasks would be tools of their own, which is too many: find them with list_tasks and get_task, run them with execute_task."
)
FLEETING = CacheHint(ttl_ms=1_000, scope="public")
"""For what depends on the tasks: with the half second that a folder must rest, a client that does not listen is two seconds behind."""
CACHE_HINTS: Mapping[CacheableMethod, CacheHint] = {
    "tools/list": FLEETING,
    "resources/list": FLEETING,
    "prompts/list": FLEETING,
    "server/discover": FLEETING,
    "resources/templates/list": CacheHint(ttl_ms=300_000, scope="public"),
}
"""How long a client may keep an answer; one that listens hears of changes at once."""
CHANGES = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)


class RatchetServer(Server[Any]):
    """The SDK's low-level server with our tools, prompts and resources.

    `tools` holds ours and those made of tasks, which come and go with the catalog. `calls` counts the tool calls under way; once
    `stopping` is set, new ones are refused.
    """

    def __init__(self, app: RatchetSource, settings: Settings, tools: list[ToolSpec[Any]] | None = None) -> None:
        self.app = app
        self.settings = settings
        self._all = ALL if tools is None else tools
        self._own = offered(self._all, settings.mcp)
        self.tools: Mapping[str, ToolSpec[Any] | TaskTool] = self._own
        self.task_tools = TaskTools(settings.mcp, [tool.name for tool in self._all])
        self.following = Following(app, self.task_tools, self._install)
        self.calls = 0
        self.stopping = False
        resources, prompts = Resources(app, settings), Prompts(app, self.following.catch_up)
        announcements = self.following.announcements
        super().__init__(
            "ratchet",
            version=__version__,
            title="Ratchet",
            description="Runs JavaScript tasks safely",
            instructions=self._instructions(),
            cache_hints=CACHE_HINTS,
            lifespan=self.following.running,
            get_tool_input_schema=self._input_schema,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=resources.list,
            on_list_resource_templates=resources.list_templates,
            on_read_resource=resources.read,
            on_subscribe_resource=announcements.subscribe,
            on_unsubscribe_resource=announcements.unsubscribe,
            on_subscriptions_listen=announcements.listen,
            on_list_prompts=prompts.list,
            on_get_prompt=prompts.get,
            on_completion=Completions(app).complete,
        )
        if not settings.mcp.read_only:
            tasks = TasksExtension(self.call_of, self._telling)
            tasks.install(self)
            announcements.serve = TaskStreams(tasks, announcements.serve)
        self.add_notification_handler("notifications/initialized", NotificationParams, announcements.initialized)
        # The SDK's only default is OpenTelemetry, a third of the cost of a call and of no use without an exporter.
        self.middleware[:] = [_without_internals]

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """Tell what every transport of the SDK asks for without arguments."""
        return super().create_initialization_options(notification_options or CHANGES, experimental_capabilities, extensions)

    def _install(self, task_tools: Mapping[str, TaskTool]) -> None:
        """Offer these tools of tasks from now on."""
        self.tools = {**self._own, **task_tools}
        self.instructions = self._instructions()

    def _instructions(self) -> str:
        parts = [INSTRUCTIONS, AUTHORING if "create_task" in self._own else ""]
        if self.task_tools.enabled:
            note = CATALOGUE if self.task_tools.catalogue else TASK_TOOLS
            parts.append(note.format(count=self.task_tools.wanting, cap=self.settings.mcp.task_tools_cap))
        return "".join(parts)

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self.tools.get(name)
        return tool.input_schema if tool else None

    def call_of(self, context: ServerRequestContext[Any, Any]) -> Call:
        """Return a request as a call."""
        return Call(self.app, self.settings, context, task_tools=self.task_tools)

    async def _telling(self, name: str) -> Telling:
        """Return the tool that tells the result of a task which it began; when it is gone, execute_task does."""
        if name not in self.tools and self.task_tools.enabled:
            await self.following.catch_up()
        return self.tools.get(name) or next(tool for tool in ALL if tool.name == "execute_task")

    async def _list_tools(self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        if params is not None and params.cursor is not None:
            raise MCPError(code=INVALID_PARAMS, message="Invalid cursor: all tools are on the first page.")
        if self.task_tools.enabled:
            await self.following.catch_up()
        return ListToolsResult(tools=[tool.wire for tool in self.tools.values()])

    async def _call_tool(self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> Any:
        tool = self.tools.get(params.name)
        if tool is None and self.task_tools.enabled:
            await self.following.catch_up()
            tool = self.tools.get(params.name)
        if tool is None:
            raise MCPError(code=INVALID_PARAMS, message=why_not(params.name, self._all, self.tools, self.settings.mcp))
        self.calls += 1
        try:
            if self.stopping:
                raise Interrupted("The server is stopping.")
            return await tool.call(self.call_of(context), params.arguments or {})
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
