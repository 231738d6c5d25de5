"""`ratchet debug`: run one task and show its variables at chosen lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet_mcp.cli import options
from ratchet_mcp.cli.run_once import FromFs, InputFile, InputJson, TaskName, Timeout, one_task, read_input

if TYPE_CHECKING:
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.testing.debugging import DebugReport

Break = Annotated[
    list[int] | None, typer.Option("--break", min=1, help="Line to look at; again for more.", metavar="LINE", show_default=False)
]
Expressions = Annotated[
    list[str] | None,
    typer.Option("--expr", help="JavaScript to evaluate at each hit; again for more.", metavar="EXPRESSION", show_default=False),
]
MaxSnapshots = Annotated[int, typer.Option("--max-snapshots", min=1, max=500, help="Hits to show at most.", metavar="N")]


def debug(
    from_fs: FromFs = None,
    task: TaskName = None,
    input_json: InputJson = None,
    input_file: InputFile = None,
    breakpoints: Break = None,
    expressions: Expressions = None,
    max_snapshots: MaxSnapshots = 50,
    timeout: Timeout = None,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Run one task to its end and show its variables each time a line is reached, and where it threw. Exit status 1 if it failed."""
    one_task(from_fs, task)
    value = read_input(input_json, input_file)

    from ratchet_mcp.cli.debug_show import show, to_record
    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import print_error, print_json
    from ratchet_mcp.cli.run_once import print_log_line
    from ratchet_mcp.cli.settings import for_one_run
    from ratchet_mcp.errors import from_dict
    from ratchet_mcp.execution.models import Status

    report = run(_run, for_one_run(config, profile), from_fs, task, value, breakpoints or [], expressions or [], max_snapshots, timeout)
    for line in report.lines:
        print_log_line(line)
    if as_json:
        print_json(to_record(report))
    else:
        show(report)
    execution = report.execution
    if execution.status is not Status.COMPLETED:
        print_error(from_dict(execution.failure))
        raise typer.Exit(1)


async def _run(
    settings: Settings,
    from_fs: Path | None,
    name: str | None,
    value: Any,
    breakpoints: list[int],
    expressions: list[str],
    max_snapshots: int,
    seconds: float | None,
) -> DebugReport:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.cli.run_once import load, print_progress
    from ratchet_mcp.execution.models import Origin
    from ratchet_mcp.observability.log import configure

    configure(settings.logging)
    loaded = load(from_fs, settings) if from_fs is not None else None
    async with Ratchet.open(settings, work=False) as ratchet:
        task = loaded if loaded is not None else await ratchet.catalog.resolve(str(name), disabled=True)
        return await ratchet.debugging.run(
            task, value, breakpoints, expressions, max_snapshots, origin=Origin.CLI, seconds=seconds, on_progress=print_progress
        )
