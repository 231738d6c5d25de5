"""Our server class in our HTTP application, with the fixtures of the official runner beside the real tools.

Run as a program: listens on a free port of 127.0.0.1 and says so on stderr.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp.types as t
import uvicorn
from fixture_prompts import PROMPTS, RESOURCES, TEMPLATE, prompt, resource
from fixture_tools import TOOLS, Context, FixtureTool, Handler, result, text
from mcp.server import NotificationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from ratchet_mcp.api.app import create_app
from ratchet_mcp.api.serve import HttpServer
from ratchet_mcp.mcp.server import RatchetServer
from ratchet_mcp.mcp.tools.spec import RatchetSource
from ratchet_mcp.settings import Settings, StoreSettings

warnings.filterwarnings("ignore", category=MCPDeprecationWarning)  # the handshake era's logging is what the runner checks


class Connections:
    """Live connections of the handshake era, which are told of changes one by one."""

    def __init__(self) -> None:
        self._live: dict[int, Any] = {}

    async def watch(self, ctx: Context, call_next: Callable[[Context], Awaitable[Any]]) -> Any:
        if ctx.method == "notifications/initialized":
            connection = ctx.session._connection
            self._live[id(connection)] = connection
            connection.exit_stack.callback(self._live.pop, id(connection), None)
        return await call_next(ctx)

    async def tell(self, send: Callable[[Any], Awaitable[None]]) -> None:
        for connection in list(self._live.values()):
            with anyio.move_on_after(2):
                await send(connection)


def make_server(app: RatchetSource, settings: Settings) -> RatchetServer:
    """Return our server with everything installed that the runner expects."""
    server = RatchetServer(app, settings)
    server.notifications = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
    connections, bus = Connections(), InMemorySubscriptionBus()
    server.middleware.append(RequestStateBoundary(RequestStateSecurity(keys=[b"k" * 32]), default_audience=server.name))
    server.middleware.append(connections.watch)
    tools = dict(TOOLS)

    def changing(name: str, event: Any, tell: Callable[[Any], Awaitable[None]]) -> None:
        async def handler(ctx: Context, params: t.CallToolRequestParams) -> Any:
            await bus.publish(event)
            await connections.tell(tell)
            return result(text("changed"))

        tools[name] = FixtureTool(t.Tool(name=name, description=f"Fixture {name}", input_schema={"type": "object"}), handler)

    changing("test_trigger_tool_change", ToolsListChanged(), lambda connection: connection.send_tool_list_changed())
    changing("test_trigger_prompt_change", PromptsListChanged(), lambda connection: connection.send_prompt_list_changed())
    _serve_tools(server, tools)
    _serve_the_rest(server, ListenHandler(bus))
    return server


def _serve_tools(server: RatchetServer, tools: dict[str, FixtureTool]) -> None:
    our_list, our_call = _handler(server, "tools/list"), _handler(server, "tools/call")

    async def list_tools(ctx: Context, params: t.PaginatedRequestParams) -> t.ListToolsResult:
        ours = await our_list(ctx, params)
        return t.ListToolsResult(tools=[*ours.tools, *(fixture.tool for fixture in tools.values())])

    async def call_tool(ctx: Context, params: t.CallToolRequestParams) -> Any:
        fixture = tools.get(params.name)
        return await (fixture.handler(ctx, params) if fixture else our_call(ctx, params))

    def input_schema(name: str) -> Any:
        return tools[name].tool.input_schema if name in tools else server.tools[name].input_schema if name in server.tools else None

    server.get_tool_input_schema = input_schema
    server.add_request_handler("tools/list", t.PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", t.CallToolRequestParams, call_tool)


def _handler(server: RatchetServer, method: str) -> Handler:
    entry = server.get_request_handler(method)
    assert entry is not None
    return entry.handler


def _serve_the_rest(server: RatchetServer, listen: ListenHandler) -> None:
    our_read, our_templates = _handler(server, "resources/read"), _handler(server, "resources/templates/list")

    async def list_prompts(ctx: Context, params: t.PaginatedRequestParams) -> t.ListPromptsResult:
        return t.ListPromptsResult(prompts=PROMPTS)

    async def get_prompt(ctx: Context, params: t.GetPromptRequestParams) -> Any:
        found = prompt(params)
        if found is None:
            raise MCPError(code=t.INVALID_PARAMS, message=f"Unknown prompt: {params.name}")
        return found

    async def list_resources(ctx: Context, params: t.PaginatedRequestParams) -> t.ListResourcesResult:
        return t.ListResourcesResult(resources=[t.Resource(uri=uri, name=uri, mime_type=body.mime_type) for uri, body in RESOURCES.items()])

    async def list_templates(ctx: Context, params: Any) -> t.ListResourceTemplatesResult:
        ours = await our_templates(ctx, params)
        return t.ListResourceTemplatesResult(resource_templates=[*ours.resource_templates, TEMPLATE])

    async def read_resource(ctx: Context, params: Any) -> Any:
        return resource(params.uri) or await our_read(ctx, params)

    async def complete(ctx: Context, params: t.CompleteRequestParams) -> t.CompleteResult:
        values = [name for name in ("paris", "park", "party") if name.startswith(params.argument.value)]
        return t.CompleteResult(completion=t.Completion(values=values, total=len(values), has_more=False))

    async def done(ctx: Context, params: Any) -> t.EmptyResult:
        return t.EmptyResult()

    handlers: list[tuple[str, Any, Any]] = [
        ("prompts/list", t.PaginatedRequestParams, list_prompts),
        ("prompts/get", t.GetPromptRequestParams, get_prompt),
        ("resources/list", t.PaginatedRequestParams, list_resources),
        ("resources/templates/list", t.PaginatedRequestParams, list_templates),
        ("resources/read", t.ReadResourceRequestParams, read_resource),
        ("resources/subscribe", t.SubscribeRequestParams, done),
        ("resources/unsubscribe", t.UnsubscribeRequestParams, done),
        ("subscriptions/listen", t.SubscriptionsListenRequestParams, listen),
        ("completion/complete", t.CompleteRequestParams, complete),
        ("logging/setLevel", t.SetLevelRequestParams, done),
    ]
    for method, params_type, handler in handlers:
        server.add_request_handler(method, params_type, handler)


def main() -> None:
    settings = Settings(store=StoreSettings(url="sqlite://"))
    app = create_app(settings, make_server)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http="h11", loop="asyncio", ws="none", log_level="warning", timeout_graceful_shutdown=1
    )
    HttpServer(config, app.state.server, grace=0).run()


if __name__ == "__main__":
    main()
