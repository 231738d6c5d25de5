"""The life of a task, as a model lives it: written, checked, tested, debugged, mended, used, offered as a tool, shared."""

from __future__ import annotations

import base64
from typing import Any

from rich.markup import escape
from rich.syntax import Syntax
from showing import Demo, heading, out

FIRST = """\
function main({ items, discount_percent = 0 }) {
  let total = 0;
  for (const item of items) {
    total += item.quantity * item.price;
  }
  if (discount_percent > 0) {
    total = total - total * discount_percent;
  }
  return { total: Math.round(total * 100) / 100 };
}
"""
MENDED = FIRST.replace("total * discount_percent;", "(total * discount_percent) / 100;")

TASK: dict[str, Any] = {
    "name": "invoice-total",
    "description": "Adds up the items of an invoice and takes a discount off.",
    "code": FIRST,
    "input_schema": {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"quantity": {"type": "number", "minimum": 0}, "price": {"type": "number"}},
                    "required": ["quantity", "price"],
                },
            },
            "discount_percent": {"type": "number", "minimum": 0, "maximum": 100},
        },
        "required": ["items"],
    },
    "output_schema": {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]},
    "tests": [
        {
            "name": "adds up",
            "input": {"items": [{"quantity": 2, "price": 9.99}, {"quantity": 1, "price": 5}]},
            "expected_output": {"total": 24.98},
        },
        {
            "name": "takes a discount off",
            "input": {"items": [{"quantity": 4, "price": 25}], "discount_percent": 10},
            "expected_output": {"total": 90},
        },
    ],
}


def _verdict(report: dict[str, Any]) -> None:
    for test in report["tests"]:
        out.print(f"  [{'green' if test['passed'] else 'red'}]{'✓' if test['passed'] else '✗'}[/] {escape(test['name'])}")
        for difference in test.get("differences", ()):
            out.print(f"    {escape(difference['path'])}: {escape(difference['message'])}")
    if report.get("coverage"):
        out.print(f"  {report['coverage']['percent']:g} % of the lines ran")


async def write_a_task(demo: Demo) -> None:
    """Live it through."""
    heading("A model writes a task: create, test, debug, edit, test")
    out.print(Syntax(FIRST, "javascript", background_color="default", line_numbers=True))
    await demo.fine("create_task", TASK, show={"name": TASK["name"], "code": "…", "input_schema": "…", "output_schema": "…", "tests": "…"})
    _verdict(await demo.fine("test_task", {"task": "invoice-total"}))
    debugged = await demo.fine(
        "debug_task",
        {"task": "invoice-total", "input": TASK["tests"][1]["input"], "breakpoints": [7], "expressions": ["total * discount_percent"]},
    )
    for seen in debugged["snapshots"]:
        out.print(f"  line {seen['line']}: locals {escape(str(seen['locals']))}, {escape(str(seen['expressions']))}")
    out.print("  [dim]percent was never divided by 100: the model mends it[/]")
    await demo.fine(
        "edit_task",
        {"task": "invoice-total", "code": MENDED, "expose": "tool"},
        show={"task": "invoice-total", "code": "…", "expose": "tool"},
    )
    _verdict(await demo.fine("test_task", {"task": "invoice-total"}))
    heading("The task is used, offered as a tool of its own, and shared")
    output = await demo.run("invoice-total", {"items": [{"quantity": 3, "price": 19.5}], "discount_percent": 20})
    out.print(f"  {escape(str(output))}")
    names = [tool.name for tool in (await demo.client.list_tools(cache_mode="refresh")).tools]
    out.print(f"  tools/list has it now: {'invoice-total' in names}")
    await demo.fine("invoice-total", {"items": [{"quantity": 1, "price": 80}]})
    exported = await demo.fine("export_tasks", {"tasks": ["invoice-total@*"]})
    out.print(f"  both versions as a ZIP of {len(base64.b64decode(exported['data']))} bytes, for import_tasks on another machine")
