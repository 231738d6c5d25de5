"""The guide for authors of tasks, as it holds on this server."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ratchet_mcp.settings import Limits

MARK = "<!-- limits -->"
ESSENTIALS = "In short"


def guide(limits: Limits) -> str:
    """Return the whole guide as Markdown, with the limits in force."""
    return _text().replace(MARK, _limits(limits))


def section(title: str) -> str:
    """Return what stands under one heading of the guide."""
    _, _, after = _text().partition(f"\n## {title}\n")
    return after.partition("\n## ")[0].strip()


@cache
def _text() -> str:
    return files("ratchet_mcp.mcp").joinpath("guide.md").read_text(encoding="utf-8")


def _limits(limits: Limits) -> str:
    lines = ["| limit | value |", "| --- | --- |"]
    lines += [
        f"| time | {limits.timeout_seconds:g} s (a task or a call may ask for up to {limits.max_timeout_seconds:g} s) |",
        f"| processor time | {limits.cpu_seconds:g} s |",
        f"| memory | {limits.memory_mb} MiB |",
        f"| input, output | {limits.input_bytes:,} and {limits.output_bytes:,} bytes of JSON, nested up to {limits.json_depth} levels |",
        f"| console | {limits.log_bytes:,} bytes |",
        f"| code | {limits.source_bytes:,} bytes |",
    ]
    return "\n".join(lines)
