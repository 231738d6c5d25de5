"""A client of the SDK that holds every tool to what it promises."""

from __future__ import annotations

import json
from typing import Any

import anyio
from jsonschema import Draft202012Validator
from mcp import Client
from mcp.types import CallToolResult


class Caller:
    """A connected client that checks every result against its tool's output schema, and its text against its structure."""

    def __init__(self, client: Client, schemas: dict[str, dict[str, Any]]) -> None:
        self.client = client
        self._schemas = schemas

    @classmethod
    async def of(cls, client: Client) -> Caller:
        """Make the caller of a connected client."""
        return cls(client, {tool.name: tool.output_schema for tool in (await client.list_tools()).tools})

    async def __call__(self, tool: str, **arguments: Any) -> CallToolResult:
        with anyio.fail_after(60):
            result = await self.client.call_tool(tool, arguments)
        Draft202012Validator(self._schemas[tool]).validate(result.structured_content)
        mirrors = [json.loads(block.text) for block in result.content if block.text.startswith("{")]
        assert result.structured_content in mirrors
        return result

    async def fine(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self(tool, **arguments)
        assert not result.is_error, result.content[0].text
        return result.structured_content

    async def failing(self, tool: str, **arguments: Any) -> tuple[dict[str, Any], str]:
        result = await self(tool, **arguments)
        assert result.is_error, result.structured_content
        return result.structured_content, result.content[0].text
