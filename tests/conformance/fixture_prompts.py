"""Prompts and resources that the official conformance runner asks for by name."""

from __future__ import annotations

import json
from typing import Any

import mcp.types as t
from fixture_tools import PNG, STRING, ask, embedded, form, text


def _prompt(name: str, *arguments: str) -> t.Prompt:
    return t.Prompt(name=name, description=f"Fixture {name}", arguments=[t.PromptArgument(name=name, required=True) for name in arguments])


PROMPTS = [
    _prompt("test_simple_prompt"),
    _prompt("test_prompt_with_arguments", "arg1", "arg2"),
    _prompt("test_prompt_with_embedded_resource", "resourceUri"),
    _prompt("test_prompt_with_image"),
    _prompt("test_input_required_result_prompt"),
]


def _messages(*contents: Any) -> t.GetPromptResult:
    return t.GetPromptResult(messages=[t.PromptMessage(role="user", content=content) for content in contents])


def prompt(params: t.GetPromptRequestParams) -> t.GetPromptResult | t.InputRequiredResult | None:
    arguments = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return _messages(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            return _messages(text(f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'"))
        case "test_prompt_with_embedded_resource":
            content = embedded(arguments["resourceUri"], "text/plain", "Embedded resource content for testing.")
            return _messages(content, text("Please process the embedded resource above."))
        case "test_prompt_with_image":
            return _messages(t.ImageContent(type="image", data=PNG, mime_type="image/png"), text("Please analyze the image above."))
        case "test_input_required_result_prompt":
            answers: dict[str, Any] = dict(params.input_responses or {})
            if "user_context" in answers:
                return _messages(text(f"context: {answers['user_context'].content}"))
            return ask({"user_context": form("Context?", {"context": STRING}, ["context"])})
    return None


RESOURCES: dict[str, t.TextResourceContents | t.BlobResourceContents] = {
    "test://static-text": t.TextResourceContents(
        uri="test://static-text", mime_type="text/plain", text="This is the content of the static text resource."
    ),
    "test://static-binary": t.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG),
    "test://watched-resource": t.TextResourceContents(uri="test://watched-resource", mime_type="text/plain", text="watched"),
}
TEMPLATE = t.ResourceTemplate(uri_template="test://template/{id}/data", name="template", mime_type="application/json")


def resource(uri: str) -> t.ReadResourceResult | None:
    if uri in RESOURCES:
        return t.ReadResourceResult(contents=[RESOURCES[uri]])
    if uri.startswith("test://template/") and uri.endswith("/data"):
        number = uri.removeprefix("test://template/").removesuffix("/data")
        body = json.dumps({"id": number, "templateTest": True, "data": f"Data for ID: {number}"})
        return t.ReadResourceResult(contents=[t.TextResourceContents(uri=uri, mime_type="application/json", text=body)])
    return None
