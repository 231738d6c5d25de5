"""Our server class in our HTTP application, with the fixtures of the official runner beside the real tools.

Run as a program: listens on a free port of 127.0.0.1 and says so on stderr.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import mcp.types as t
import uvicorn
from fixture_prompts import PROMPTS, RESOURCES, TEMPLATE, prompt, resource
from fixture_tasks import TASK_TOOLS
from fixture_tools import TOOLS, Context, FixtureTool, Handler, result, text
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPDeprecationWarning

from ratchet_mcp.api.app import create_app
from ratchet_mcp.api.serve import HttpServer
from ratchet_mcp.mcp.server import RatchetServer
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.mcp.tools.spec import RatchetSource
from ratchet_mcp.settings import McpSettings, Settings, StoreSettings

warnings.filterwarnings("ignore", category=MCPDeprecationWarning)  # the handshake era's logging is what the runner checks


def make_server(app: RatchetSource, settings: Settings) -> RatchetServer:
    """Return our server with everything installed that the runner expects."""
    server = RatchetServer(app, settings, [*ALL, *TASK_TOOLS])
    announcements = server.following.announcements
    server.middleware.append(RequestStateBoundary(RequestStateSecurity(keys=[b"k" * 32]), default_audience=server.name))
    tools = dict(TOOLS)

    def changing(name: str, announce: Callable[[], Awaitable[None]]) -> None:
        async def handler(ctx: Context, params: t.CallToolRequestParams) -> Any:
            await announce()
            return result(text("changed"))

        tools[name] = FixtureTool(t.Tool(name=name, description=f"Fixture {name}", input_schema={"type": "object"}), handler)

    changing("test_trigger_tool_change", announcements.tools_changed)
    changing("test_trigger_prompt_change", announcements.prompts_changed)
    _serve_tools(server, tools)
    _serve_the_rest(server)
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


def _serve_the_rest(server: RatchetServer) -> None:
    our_read, our_templates = _handler(server, "resources/read"), _handler(server, "resources/templates/list")
    our_prompts, our_prompt, our_resources = (_handler(server, method) for method in ("prompts/list", "prompts/get", "resources/list"))

    async def list_prompts(ctx: Context, params: t.PaginatedRequestParams) -> t.ListPromptsResult:
        ours = await our_prompts(ctx, params)
        return t.ListPromptsResult(prompts=[*ours.prompts, *PROMPTS])

    async def get_prompt(ctx: Context, params: t.GetPromptRequestParams) -> Any:
        return prompt(params) or await our_prompt(ctx, params)

    async def list_resources(ctx: Context, params: t.PaginatedRequestParams) -> t.ListResourcesResult:
        ours = await our_resources(ctx, params)
        fixtures = [t.Resource(uri=uri, name=uri, mime_type=body.mime_type) for uri, body in RESOURCES.items()]
        return t.ListResourcesResult(resources=[*ours.resources, *fixtures], next_cursor=ours.next_cursor)

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
        ("completion/complete", t.CompleteRequestParams, complete),
        ("logging/setLevel", t.SetLevelRequestParams, done),
    ]
    for method, params_type, handler in handlers:
        server.add_request_handler(method, params_type, handler)


def main() -> None:
    settings = Settings(mcp=McpSettings(task_after_seconds=0.2, task_poll_seconds=0.1), store=StoreSettings(url="sqlite://"))
    app = create_app(settings, make_server)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http="h11", loop="asyncio", ws="none", log_level="warning", timeout_graceful_shutdown=1
    )
    HttpServer(config, app.state.server, app.state.ratchet, grace=0).run()


if __name__ == "__main__":
    main()
