"""A connected client that shows what it does, for the tours beside it."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from mcp import Client
from mcp.types import CallToolResult
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

out = Console(width=None if sys.stdout.isatty() else 110, highlight=False)


class Demo:
    """One connected client, and what it shows."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, arguments: dict[str, Any], *, show: dict[str, Any] | None = None) -> CallToolResult:
        """Call a tool, and show the call and how long it took. `show` stands for the arguments when they are long."""
        text = json.dumps(show if show is not None else arguments, ensure_ascii=False)
        out.print(f"[bold cyan]→ {tool}[/] [dim]{escape(text if len(text) < 300 else text[:297] + '…')}[/]")
        started = time.perf_counter()
        result = await self.client.call_tool(tool, arguments, progress_callback=self.progress)
        status = (result.structured_content or {}).get("status", "")
        colour = "red" if result.is_error else "green"
        out.print(f"[{colour}]← {status or 'answered'}[/] [dim]in {(time.perf_counter() - started) * 1000:.1f} ms[/]")
        return result

    async def run(self, task: str, value: Any, **shown: Any) -> Any:
        """Run a task and return its output."""
        result = await self.call("execute_task", {"task": task, "input": value}, show={"task": task, "input": shown or value})
        content = result.structured_content or {}
        if content.get("status") != "completed":
            raise SystemExit(f"{task} did not complete: {content}")
        return content["output"]

    async def fine(self, tool: str, arguments: dict[str, Any], *, show: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make a call that must succeed, and return its structured result."""
        result = await self.call(tool, arguments, show=show)
        if result.is_error:
            raise SystemExit(f"{tool} failed: {result.content}")
        return result.structured_content or {}

    async def fail(self, tool: str, arguments: dict[str, Any]) -> None:
        """Make a call that fails, and show what the model is told."""
        result = await self.call(tool, arguments)
        lines = "\n".join(getattr(part, "text", "") for part in result.content).strip().splitlines()
        told = "\n".join(line for line in lines if not line.startswith('{"'))  # the rest is the same again, as JSON for programs
        out.print(Panel(escape(told), border_style="red", title="what the model reads", title_align="left"))
        if not result.is_error:
            raise SystemExit("This call should have failed.")

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """Show a progress notification."""
        out.print(f"  [yellow]progress[/] {progress:g} {escape(message or '')}")


def heading(text: str) -> None:
    """Start a part of the tour."""
    out.print()
    out.rule(f"[bold]{text}", align="left", style="blue")


def rows(records: list[dict[str, Any]], columns: list[str] | None = None, limit: int = 8) -> Table:
    """Make a table of JSON objects."""
    names = columns or list(records[0])
    table = Table(*names, box=None, header_style="bold", padding=(0, 3, 0, 0))
    for record in records[:limit]:
        table.add_row(*(escape(_text(record.get(name))) for name in names))
    return table


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
