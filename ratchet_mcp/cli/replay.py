"""`ratchet replay`: run a task once more as it was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ratchet_mcp.cli import options
from ratchet_mcp.cli.run_once import FromFs, Record, TaskName, Timeout, one_task

if TYPE_CHECKING:
    from ratchet_mcp.engine.run import LogLine
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.testing.replaying import ReplayReport

Folder = Annotated[Path, typer.Option("--recording", help="Folder that run-once --record has written.", metavar="DIR", show_default=False)]
Mode = Annotated[
    Literal["replay", "replay-or-live"], typer.Option("--mode", help="Whether requests that were not recorded reach the network.")
]
Patch = Annotated[
    str | None,
    typer.Option("--input-patch", help="JSON Merge Patch that changes the recorded input.", metavar="JSON", show_default=False),
]


def replay(
    recording: Folder,
    from_fs: FromFs = None,
    task: TaskName = None,
    mode: Mode = "replay",
    input_patch: Patch = None,
    timeout: Timeout = None,
    as_json: Record = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Repeat a recorded run: the same answers, clock and random numbers. Exit status 1 if it fails, or its result is another one."""
    one_task(from_fs, task, needed=False)

    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import print_json
    from ratchet_mcp.cli.run_once import show, to_record
    from ratchet_mcp.cli.settings import for_one_run

    execution, lines, report = run(_replay, for_one_run(config, profile), from_fs, task, recording, mode, _read_patch(input_patch), timeout)
    if as_json:
        print_json(to_record(execution, lines) | {"replay": report.to_dict()})
        completed = execution.error is None
    else:
        completed = show(execution, lines, as_json=False)
        _tell(report, str((execution.error or {}).get("message", "")))
    free = mode != "replay" or report.input_changed
    if not completed or not (report.same or free):
        raise typer.Exit(1)


def _read_patch(text: str | None) -> Any:
    from ratchet_mcp.errors import InvalidArgument
    from ratchet_mcp.testing.replaying import NO_PATCH

    if text is None:
        return NO_PATCH
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"--input-patch is not JSON: {error}.", hint="""Quote it for the shell: '{"city": "Rome"}'.""") from error


async def _replay(
    settings: Settings,
    from_fs: Path | None,
    name: str | None,
    folder: Path,
    mode: Literal["replay", "replay-or-live"],
    patch: Any,
    seconds: float | None,
) -> tuple[Execution, list[LogLine], ReplayReport]:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.cli.run_once import load, print_progress
    from ratchet_mcp.execution.models import Origin
    from ratchet_mcp.observability.log import configure

    configure(settings.logging)
    loaded = load(from_fs, settings) if from_fs is not None else None
    async with Ratchet.open(settings, work=False) as ratchet:
        recorded = await ratchet.recordings.read(folder)
        task = loaded or (None if name else recorded.unsaved_task()) or await ratchet.catalog.resolve(name or recorded.task)
        replayed = await ratchet.replays.start(
            recorded, task, mode=mode, input_patch=patch, origin=Origin.CLI, timeout_seconds=seconds, on_progress=print_progress
        )
        execution = await replayed.handle.wait(None)
        return execution, await ratchet.executions.logs(execution.id, limit=1_000_000), replayed.report(execution)


def _tell(report: ReplayReport, said: str) -> None:
    """Say on stderr how the run compares with its recording, but not again what its error has `said`."""
    from ratchet_mcp.cli.output import console, printable

    out = console(stderr=True)
    out.print("replay", style="green" if report.same else "yellow", end=": ")
    out.print("the result is the recorded one, to the letter" if report.same else "the result is not the recorded one")
    for each in report.differences if not said else []:
        out.print(f"  - {printable(each['path'])}: {printable(each['message'])}")
    for missed in report.missed:
        if missed not in said:
            out.print(f"  - {printable(missed)}")
    for unused in report.unused:
        out.print(f"  - recorded, but not asked for: {printable(unused)}")
    if report.task_changed:
        out.print("  - the task is not the one that was recorded")
