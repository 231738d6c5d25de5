"""What `ratchet debug` prints: the source around each hit, and the values there."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ratchet_mcp.cli.output import console, print_json, printable
from ratchet_mcp.execution.models import Status
from ratchet_mcp.tasks.frame import code_frame

if TYPE_CHECKING:
    from rich.console import Console

    from ratchet_mcp.engine.observe import Snapshot
    from ratchet_mcp.testing.debugging import DebugReport

LONGEST = 400
"""Characters of one value."""


def show(report: DebugReport) -> None:
    """Print a report for people on stdout: each snapshot, then the output."""
    out = console()
    for snapshot in report.observed.snapshots:
        out.print(f"line {snapshot.line}", style="bold green", end="")
        out.print(f", hit {snapshot.hit}, in {printable(snapshot.function)}")
        _show_snapshot(out, report, snapshot)
    if report.observed.at_throw is not None:
        out.print(f"thrown at line {report.observed.at_throw.line}", style="bold red", end="")
        out.print(f": {printable(str(report.observed.at_throw.error))}")
        _show_snapshot(out, report, report.observed.at_throw)
    for note in notes(report):
        out.print(note, style="yellow")
    if report.execution.status is Status.COMPLETED:
        out.print("output", style="bold")
        print_json(report.execution.output)


def notes(report: DebugReport) -> list[str]:
    """Return what happened to breakpoints that were not simply hit."""
    observed = report.observed
    found = [f"Line {asked} holds no code; line {line} was watched instead." for asked, line in observed.moved.items()]
    last = ", ".join(map(str, observed.nearest))
    found += [f"Line {line} holds no code, nor does any after it; the last that do: {last}." for line in observed.unreachable]
    found += [f"Line {line} never ran." for line, hits in (report.hits or {}).items() if not hits]
    if observed.truncated:
        found.append("There were more hits than are shown.")
    return found


def to_record(report: DebugReport) -> dict[str, Any]:
    """Return the execution, what was seen and the console as JSON values."""
    record = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(report.execution).items()}
    return record | report.to_dict() | {"logs": [{"at": line.at, "level": line.level, "message": line.message} for line in report.lines]}


def _show_snapshot(out: Console, report: DebugReport, snapshot: Snapshot) -> None:
    out.print(printable(code_frame(report.task.source, snapshot.line, snapshot.column)), style="cyan")
    for one in snapshot.expressions:
        out.print(f"  {printable(one.expression)} = ", end="", style="bold")
        out.print(f"({printable(one.error)})" if one.error is not None else _value(one.value))
    for name, value in [*snapshot.locals.items(), *snapshot.outer.items()]:
        out.print(f"  {printable(name)} = {_value(value)}")
    if len(snapshot.stack) > 1:
        out.print("  called from " + ", ".join(f"{printable(frame.function)}:{frame.line}" for frame in snapshot.stack[1:6]))
    out.print()


def _value(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
