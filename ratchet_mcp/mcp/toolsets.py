"""Which tools a server offers: the toolsets of its settings, and only harmless ones when it is read-only."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ratchet_mcp.mcp.tools.spec import ToolSpec
    from ratchet_mcp.settings.server import McpSettings


def offered(tools: Iterable[ToolSpec[Any]], settings: McpSettings) -> dict[str, ToolSpec[Any]]:
    """Return the tools that are listed and can be called, by name, in their order.

    A read-only server offers those that neither run code nor change anything: the tools that say so in their annotations, and those
    that can do without what runs code.
    """
    chosen = [tool for tool in tools if tool.toolset in settings.toolsets]
    if settings.read_only:
        chosen = [tool.reading_only() if tool.runs_if else tool for tool in chosen if tool.annotations.read_only_hint or tool.runs_if]
    return {tool.name: tool for tool in chosen}


def why_not(name: str, tools: Iterable[ToolSpec[Any]], offered: Mapping[str, Any], settings: McpSettings) -> str:
    """Say why a tool cannot be called, and what to do."""
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        near = get_close_matches(name, offered, n=1)
        return f"Unknown tool: {name[:100]}" + (f"; did you mean {near[0]}?" if near else "")
    if tool.toolset not in settings.toolsets:
        return f"{name} is not offered: it belongs to the toolset {tool.toolset}, which this server leaves out (mcp.toolsets, --toolsets)."
    return f"{name} is not offered: this server is read-only (mcp.read_only, --read-only), so it runs and changes nothing."
