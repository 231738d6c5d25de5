"""`ratchet batch`: run the requests of a file as one batch, print each outcome, exit."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.batches.models import Batch
    from ratchet_mcp.settings import Settings

MAX_BYTES = 64 << 20
MEMBERS = ("requests", "mode", "max_parallel", "stop_on_error")


class ModeName(StrEnum):
    """In which order the requests run."""

    DEPENDENCY = "dependency"
    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


File = Annotated[
    Path, typer.Argument(help="JSON or YAML: a list of requests, or an object with requests.", metavar="FILE", show_default=False)
]
Mode = Annotated[
    ModeName | None, typer.Option("--mode", help="Order of the requests.", metavar="|".join(ModeName), show_default="dependency")
]
MaxParallel = Annotated[
    int | None, typer.Option("--max-parallel", min=1, help="Requests at the same time.", metavar="N", show_default="one a worker")
]
StopOnError = Annotated[bool, typer.Option("--stop-on-error", help="Start nothing more after a failure.")]
Background = Annotated[bool, typer.Option("--background", help="Queue the batch as a job, print its id, and end.")]


def batch(
    file: File,
    mode: Mode = None,
    max_parallel: MaxParallel = None,
    stop_on_error: StopOnError = False,
    background: Background = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Run several requests as one batch and print how each ended, as JSON. Exit status 1 unless all completed or were not wanted."""
    from ratchet_mcp.batches.models import BatchStatus
    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import print_json, print_text
    from ratchet_mcp.cli.settings import for_one_run

    given = read_batch(file)
    if mode is not None:
        given["mode"] = mode.value
    if max_parallel is not None:
        given["max_parallel"] = max_parallel
    if stop_on_error:
        given["stop_on_error"] = True
    ended = run(_run, for_one_run(config, profile), given, background)
    if background:
        print_text(ended.id)
        return
    print_json(to_record(ended))
    if ended.status is not BatchStatus.COMPLETED:
        raise typer.Exit(1)


def read_batch(file: Path) -> dict[str, Any]:
    """Read the file of a batch: `requests`, and what else `Batches.check` takes. Raises `InvalidArgument`."""
    from ratchet_mcp.errors import InvalidArgument
    from ratchet_mcp.tasks.reading import ReadError, decode, read_json, read_yaml

    try:
        data = file.read_bytes()
        if len(data) > MAX_BYTES:
            raise ReadError(f"it is larger than {MAX_BYTES:,} bytes")
        raw = (read_json if file.suffix.lower() == ".json" else read_yaml)(decode(data))
    except OSError as error:
        raise InvalidArgument(f"The file {file} cannot be read: {error.strerror or error}.") from error
    except ReadError as error:
        place = f"{file}:{error.line}" if error.line else str(file)
        raise InvalidArgument(f"The file {place} cannot be read: {error.message}.") from error
    given = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {"requests": raw}
    unknown = [key for key in given if key not in MEMBERS]
    if unknown:
        raise InvalidArgument(f"The file {file} has {unknown[0]!r}; its members are {', '.join(MEMBERS)}.")
    return {"requests": None, **given}


async def _run(settings: Settings, given: dict[str, Any], background: bool) -> Batch:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.execution.models import Origin
    from ratchet_mcp.observability.log import configure
    from ratchet_mcp.security.principal import LOCAL

    configure(settings.logging)
    async with Ratchet.open(settings, work=False) as ratchet:
        batches = await ratchet.batches()
        plan = await batches.check(given.pop("requests"), **given)
        if background:
            return (await ratchet.submit_batch(plan, origin=Origin.CLI))[1]
        started = await batches.start(plan, origin=Origin.CLI, principal=LOCAL, on_progress=_print_progress)
        return await batches.wait(started.id, None)


def _print_progress(done: int, total: int, name: str) -> None:
    from ratchet_mcp.cli.output import printable

    sys.stderr.write(f"[batch] {done} of {total}: {printable(name)}\n")


def to_record(ended: Batch) -> dict[str, Any]:
    """Return a batch as JSON values, with all outputs."""
    from ratchet_mcp.batches.models import RequestStatus

    return {
        "batch_id": ended.id,
        "status": ended.status.value,
        "results": [
            {"id": result.id, "task": result.task, **result.to_row()}
            | ({"output": result.output} if result.status is RequestStatus.COMPLETED else {})
            for result in ended.results
        ],
    }
