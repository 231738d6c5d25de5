"""The tool that looks into a run of a task.

That the task fails is what a caller wants to see, and no failure of the call: the result then has an `error`, and the variables where it
was thrown. Only a call that could not run the task (no such task, an input that does not match, wrong arguments) is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ratchet_mcp.engine.observe import LONGEST_EXPRESSION, MOST_BREAKPOINTS, MOST_EXPRESSIONS
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.mcp import execution_view
from ratchet_mcp.mcp.long_output import lines_that_fit
from ratchet_mcp.mcp.progress import ProgressRelay, wanted
from ratchet_mcp.mcp.results import ToolResult, clipped, success, to_json
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import WHOLE, Arguments
from ratchet_mcp.mcp.tools.spec import RUNS_CODE, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.testing.debugging import DebugReport

SECONDS = 25.0
"""How long a run may take when `mcp.wait_seconds` is 0."""

MAX_CONSOLE = 4_000
MAX_OUTPUT = 4_000
ROOM = 300
"""Characters that are kept for the note on what was left out."""

Line = Annotated[int, Field(ge=1, le=1_000_000), WHOLE]


class DebugTask(Arguments):
    """Arguments of debug_task."""

    task: Annotated[str, Field(description="name, name@version or UUID", min_length=1, max_length=200)]
    input: Annotated[Any, Field(description="JSON value for the task")] = None
    breakpoints: Annotated[list[Line] | None, Field(max_length=MOST_BREAKPOINTS, description="lines of the source")] = None
    expressions: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST_EXPRESSION)]] | None,
        Field(max_length=MOST_EXPRESSIONS, description="JavaScript to evaluate at each hit"),
    ] = None
    max_snapshots: Annotated[int, Field(ge=1, le=200), WHOLE] = 20


async def debug_task(call: Call, arguments: DebugTask) -> ToolResult:
    """Run a task to its end and tell what was seen at the breakpoints, and where it threw."""
    ratchet = await call.app.get()
    task = await ratchet.catalog.resolve(arguments.task, disabled=True)
    relay = ProgressRelay(call.context) if wanted(call.context) else None
    running = ratchet.debugging.run(
        task,
        arguments.input if "input" in arguments.model_fields_set else {},
        arguments.breakpoints or [],
        arguments.expressions or [],
        arguments.max_snapshots,
        origin=Origin.MCP,
        principal=call.principal,
        seconds=call.settings.mcp.wait_seconds or SECONDS,
        on_progress=relay.take if relay else None,
    )
    report = await (relay.during(running) if relay else running)
    return success(_view(report, call.characters))


# ---------------------------------------------------------------- the answer
def _view(report: DebugReport, characters: int) -> dict[str, Any]:
    """Return the report as far as it fits: first what matters least goes from each snapshot, then the last snapshots."""
    seen = report.to_dict()
    snapshots = [_short_stack(snapshot) for snapshot in seen.pop("snapshots")]
    if "at_throw" in seen:
        seen["at_throw"] = _short_stack(seen["at_throw"])
    view = _head(report) | seen
    hints = _hints(report)
    room = characters - len(to_json(view)) - sum(map(len, hints)) - ROOM
    if room < 0 and "at_throw" in view:
        view["at_throw"] = clipped(_without(view["at_throw"], "arguments", "outer"), 200)
        room = characters - len(to_json(view)) - sum(map(len, hints)) - ROOM
    if _size(snapshots) > room:
        snapshots = [_without(snapshot, "arguments", "outer") for snapshot in snapshots]
        hints.append("arguments and outer variables are left out: the result would be too long.")
    kept = list(snapshots)
    while kept and _size(kept) > room:
        kept = kept[: len(kept) * 3 // 4]
    if len(kept) < len(snapshots):
        hints.append(f"{len(snapshots) - len(kept)} of {len(snapshots)} snapshots are left out; set fewer breakpoints, or use expressions.")
    view["snapshots"] = kept
    if hints:
        view["hint"] = " ".join(hints)
    return view


def _head(report: DebugReport) -> dict[str, Any]:
    execution = report.execution
    view = execution_view.outcome(execution)
    del view["limits"]
    if execution.status is Status.COMPLETED:
        output = to_json(execution.output)
        if len(output) <= MAX_OUTPUT:
            view["output"] = execution.output
        else:
            view |= {"output_truncated": True, "output_bytes": len(output.encode()), "output_preview": output[:MAX_OUTPUT]}
    else:
        view["error"] = clipped(execution.failure)
    if report.lines:
        console = lines_that_fit(report.lines, MAX_CONSOLE, newest=True)
        view["console"] = [f"[{line['level']}] {line['message']}" for line in console]
        if len(console) < len(report.lines):
            view["console"].insert(0, f"({len(report.lines) - len(console)} earlier lines are left out)")
    return view


def _hints(report: DebugReport) -> list[str]:
    observed, hints = report.observed, list[str]()
    if observed.unreachable:
        asked, near = (", ".join(map(str, lines)) for lines in (observed.unreachable, observed.nearest))
        hints.append(f"No code on line {asked} or after it; the last lines with code: {near or 'none'}.")
    never = [line for line, hits in (report.hits or {}).items() if not hits]
    if never:
        hints.append(f"Line {', '.join(map(str, never))} never ran.")
    if observed.truncated:
        hints.append("There were more hits than snapshots.")
    return hints


def _short_stack(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Write each function on the stack as text."""
    return {**snapshot, "stack": [f"{frame['function']}:{frame['line']}" for frame in snapshot.get("stack", ())]}


def _without(snapshot: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in snapshot.items() if name not in names}


def _size(snapshots: list[dict[str, Any]]) -> int:
    return len(to_json(snapshots))


VALUES: dict[str, Any] = {"type": "object", "description": "Variables by name; <…> stands for what JSON cannot say."}
EXPRESSIONS = schemas.array_of({"expression": schemas.STRING, "value": {}, "error": schemas.STRING}, "expression")
SNAPSHOT: dict[str, Any] = {
    "line": schemas.INTEGER,
    "column": schemas.INTEGER,
    "code": schemas.STRING,
    "function": schemas.STRING,
    "hit": schemas.INTEGER,
    "error": schemas.STRING,
    "expressions": EXPRESSIONS,
    "locals": VALUES,
    "outer": VALUES,
    "arguments": {"type": "array"},
    "stack": {"type": "array", "items": schemas.STRING},
}
SEEN: dict[str, Any] = {
    "console": {"type": "array", "items": schemas.STRING},
    "snapshots": schemas.array_of(SNAPSHOT, "line", "function"),
    "at_throw": {"type": "object", "properties": SNAPSHOT},
    "hits": {"type": "object", "additionalProperties": schemas.INTEGER},
    "moved": {"type": "object", "additionalProperties": schemas.INTEGER},
    "unreachable": {"type": "array", "items": schemas.INTEGER},
    "nearest": {"type": "array", "items": schemas.INTEGER},
    "truncated": schemas.BOOLEAN,
}

TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="debug_task",
        title="Debug a task",
        description=(
            "Run a task to its end and show, each time before a line of breakpoints runs: locals, arguments, values of expressions, call "
            "stack; also where it threw, output or error, console. "
            'Example: {"task": "csv-to-json", "input": {"csv": "a\\n1"}, "breakpoints": [12], "expressions": ["rows.length"]}'
        ),
        arguments=DebugTask,
        output=schemas.result({name: schema for name, schema in schemas.EXECUTION.items() if name != "limits"} | SEEN),
        annotations=RUNS_CODE,
        handler=debug_task,
        toolset="author",
    )
]
