"""Tools that the official conformance runner calls by name."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import mcp.types as t
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

Context = ServerRequestContext[Any, Any]
Params = t.CallToolRequestParams
Handler = Callable[[Context, Params], Awaitable[Any]]


def _png() -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + b"\x08\x06\x00\x00\x00"
    body = zlib.compress(b"\x00\xff\x00\x00\xff")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")).decode()


PNG = _png()
WAV = base64.b64encode(
    b"RIFF\x26\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00\x80>\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00"
).decode()


@dataclass(frozen=True)
class FixtureTool:
    tool: t.Tool
    handler: Handler


TOOLS: dict[str, FixtureTool] = {}


def tool(name: str, schema: dict[str, Any] | None = None) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        TOOLS[name] = FixtureTool(t.Tool(name=name, description=f"Fixture {name}", input_schema=schema or {"type": "object"}), handler)
        return handler

    return register


def text(content: str) -> t.TextContent:
    return t.TextContent(type="text", text=content)


def result(*content: Any, **more: Any) -> t.CallToolResult:
    return t.CallToolResult(content=list(content), **more)


def form(message: str, properties: dict[str, Any], required: list[str] | None = None) -> t.ElicitRequest:
    schema: dict[str, Any] = {"type": "object", "properties": properties, **({"required": required} if required else {})}
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(question: str, max_tokens: int = 100) -> t.CreateMessageRequest:
    messages = [t.SamplingMessage(role="user", content=text(question))]
    return t.CreateMessageRequest(params=t.CreateMessageRequestParams(messages=messages, max_tokens=max_tokens))


def ask(requests: dict[str, Any], state: str | None = None) -> t.InputRequiredResult:
    return t.InputRequiredResult(input_requests=requests, request_state=state)


def embedded(uri: str, mime_type: str, content: str) -> t.EmbeddedResource:
    return t.EmbeddedResource(type="resource", resource=t.TextResourceContents(uri=uri, mime_type=mime_type, text=content))


STRING = {"type": "string"}
NAME: dict[str, Any] = {"name": STRING}


# ---------------------------------------------------------------- content
@tool("test_simple_text")
async def _(ctx: Context, params: Params) -> Any:
    return result(text("This is a simple text response for testing."))


@tool("test_image_content")
async def _(ctx: Context, params: Params) -> Any:
    return result(t.ImageContent(type="image", data=PNG, mime_type="image/png"))


@tool("test_audio_content")
async def _(ctx: Context, params: Params) -> Any:
    return result(t.AudioContent(type="audio", data=WAV, mime_type="audio/wav"))


@tool("test_embedded_resource")
async def _(ctx: Context, params: Params) -> Any:
    return result(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."))


@tool("test_multiple_content_types")
async def _(ctx: Context, params: Params) -> Any:
    mixed = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return result(text("Multiple content types test:"), t.ImageContent(type="image", data=PNG, mime_type="image/png"), mixed)


@tool("test_error_handling")
async def _(ctx: Context, params: Params) -> Any:
    return result(text("This tool intentionally returns an error for testing"), is_error=True)


# ---------------------------------------------------------------- notifications during a call
@tool("test_tool_with_logging")
@tool("test_logging_tool")
async def _(ctx: Context, params: Params) -> Any:
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", message, related_request_id=ctx.request_id)
        await anyio.sleep(0.05)
    return result(text("logged"))


@tool("test_tool_with_progress")
async def _(ctx: Context, params: Params) -> Any:
    for progress in (0, 50, 100):
        await ctx.session.report_progress(progress, 100, f"step {progress}")
        await anyio.sleep(0.05)
    return result(text("done"))


@tool("test_reconnection")
async def _(ctx: Context, params: Params) -> Any:
    if ctx.close_sse_stream:
        await ctx.close_sse_stream()
    await anyio.sleep(0.2)
    return result(text("Reconnection test completed"))


# ---------------------------------------------------------------- requests to the client (handshake era)
@tool("test_sampling", {"type": "object", "properties": {"prompt": STRING}})
async def _(ctx: Context, params: Params) -> Any:
    prompt = (params.arguments or {}).get("prompt", "")
    message = t.SamplingMessage(role="user", content=text(prompt))
    answer = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return result(text(f"LLM response: {getattr(answer.content, 'text', '')}"))


def _eliciting(name: str, properties: dict[str, Any]) -> None:
    @tool(name, {"type": "object", "properties": {"message": STRING}})
    async def _(ctx: Context, params: Params) -> Any:
        message = (params.arguments or {}).get("message", "Please answer")
        answer = await ctx.session.elicit_form(message, {"type": "object", "properties": properties}, related_request_id=ctx.request_id)
        return result(text(f"User response: action={answer.action}, content={json.dumps(answer.content or {})}"))


_eliciting("test_elicitation", {"response": {"type": "string", "description": "Your answer"}})
_eliciting(
    "test_elicitation_sep1034_defaults",
    {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
)
_eliciting(
    "test_elicitation_sep1330_enums",
    {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": [{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}]},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2"]}},
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": [{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}]},
        },
    },
)

# ---------------------------------------------------------------- schemas and headers
tool(
    "json_schema_2020_12_tool",
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": STRING, "city": STRING}}},
        "properties": {
            "name": STRING,
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": STRING,
            "email": STRING,
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
)(TOOLS["test_simple_text"].handler)


@tool("test_x_mcp_header", {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}})
async def _(ctx: Context, params: Params) -> Any:
    return result(text(f"region={(params.arguments or {}).get('region')}"))


@tool("test_missing_capability")
async def _(ctx: Context, params: Params) -> Any:
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(code=t.MISSING_REQUIRED_CLIENT_CAPABILITY, message="This tool needs sampling", data=needed)
    return result(text("ok"))


# ---------------------------------------------------------------- results that ask for input (2026-07-28)
def _asking(name: str, wanted: set[str], requests: Callable[[], dict[str, Any]], state: str | None = None) -> None:
    @tool(name)
    async def _(ctx: Context, params: Params) -> Any:
        answers = params.input_responses or {}
        if wanted <= set(answers) and (state is None or params.request_state == state):
            contents = [getattr(answer, "content", None) for answer in answers.values()]
            return result(text(f"state-ok {sorted(answers)} {contents}"))
        return ask(requests(), state)


_P = "test_input_required_result_"
_CONFIRM: dict[str, Any] = {"ok": {"type": "boolean"}}
_asking(_P + "elicitation", {"user_name"}, lambda: {"user_name": form("What is your name?", NAME, ["name"])})
_asking(_P + "sampling", {"capital_question"}, lambda: {"capital_question": sampling("What is the capital of France?")})
_asking(_P + "list_roots", {"client_roots"}, lambda: {"client_roots": t.ListRootsRequest()})
_asking(_P + "request_state", {"confirm"}, lambda: {"confirm": form("Sure?", _CONFIRM, ["ok"])}, "nonce")
_asking(_P + "tampered_state", {"confirm"}, lambda: {"confirm": form("Sure?", _CONFIRM, ["ok"])}, "round-1")
_asking(
    _P + "multiple_inputs",
    {"user_name", "greeting", "client_roots"},
    lambda: {"user_name": form("Name?", NAME, ["name"]), "greeting": sampling("Say hello", 50), "client_roots": t.ListRootsRequest()},
    "several",
)


@tool("test_streaming_elicitation")
async def _(ctx: Context, params: Params) -> Any:
    if params.input_responses:
        return result(text("done"))
    await ctx.session.report_progress(1, 2, "asking")
    return ask({"user_name": form("Name?", NAME, ["name"])})


@tool(_P + "multi_round")
async def _(ctx: Context, params: Params) -> Any:
    state = json.loads(params.request_state) if params.request_state else {"round": 0}
    answers: dict[str, Any] = dict(params.input_responses or {})
    if state["round"] == 1 and "step1" in answers:
        name = (answers["step1"].content or {}).get("name")
        return ask({"step2": form("Colour?", {"color": STRING}, ["color"])}, json.dumps({"round": 2, "name": name}))
    if state["round"] == 2 and "step2" in answers:
        return result(text(f"{state['name']} likes {(answers['step2'].content or {}).get('color')}"))
    return ask({"step1": form("Name?", NAME, ["name"])}, json.dumps({"round": 1}))


@tool(_P + "capabilities")
async def _(ctx: Context, params: Params) -> Any:
    capabilities = ctx.session.client_capabilities
    requests: dict[str, Any] = {}
    if capabilities is None or capabilities.sampling is not None:
        requests["sample"] = sampling("hello", 50)
    if capabilities is None or capabilities.elicitation is not None:
        requests["ask"] = form("Name?", NAME, ["name"])
    return ask(requests, "capability-gated")
