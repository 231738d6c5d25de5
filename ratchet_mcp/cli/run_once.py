"""`ratchet run-once`: run one task, print its output, exit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.engine.run import LogLine, ProgressUpdate
    from ratchet_mcp.execution.asking import Answers
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.testing.answers import MockedAnswers

FromFs = Annotated[Path | None, typer.Option("--from-fs", help="Folder or ZIP file of the task.", metavar="PATH", show_default=False)]
TaskName = Annotated[
    str | None, typer.Option("--task", help="Name, name@version or UUID of a known task.", metavar="NAME", show_default=False)
]
InputJson = Annotated[str | None, typer.Option("--input-json", help="The input as JSON text.", metavar="JSON", show_default="{}")]
InputFile = Annotated[
    Path | None, typer.Option("--input-file", help="File that holds the input; - reads stdin.", metavar="FILE", show_default=False)
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, help="Seconds after which the run is killed.", metavar="SECONDS", show_default=False)
]
MockFile = Annotated[
    Path | None, typer.Option("--mock-file", help="JSON file with mocks that answer for the network.", metavar="FILE", show_default=False)
]
RecordTo = Annotated[
    Path | None, typer.Option("--record", help="Folder for a recording that ratchet replay repeats.", metavar="DIR", show_default=False)
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run it although its result is cached.")]
Record = Annotated[bool, typer.Option("--json", help="Print the whole record of the execution instead of its output.")]


def run_once(
    from_fs: FromFs = None,
    task: TaskName = None,
    input_json: InputJson = None,
    input_file: InputFile = None,
    timeout: Timeout = None,
    mock_file: MockFile = None,
    record: RecordTo = None,
    fresh: Fresh = False,
    as_json: Record = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Run one task. Its output is all that goes to stdout; its log and its errors go to stderr."""
    one_task(from_fs, task)
    value = read_input(input_json, input_file)

    from ratchet_mcp.cli.asking import answers_on_terminal
    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import print_json
    from ratchet_mcp.cli.settings import for_one_run
    from ratchet_mcp.errors import RatchetError

    try:
        settings = for_one_run(config, profile)
        mocks, answers = read_mock_file(mock_file)
        answers = answers or answers_on_terminal(stdin_is_taken=str(input_file) == "-")
        execution, lines = run(_run, settings, from_fs, task, value, timeout, mocks, answers, record, fresh)
    except RatchetError as error:
        if as_json:
            print_json({"status": "refused", "error": error.to_dict()})
        raise
    completed = show(execution, lines, as_json=as_json)
    recorded = record is None or _is_recorded(execution, record)
    if not (completed and recorded):
        raise typer.Exit(1)


def show(execution: Execution, lines: list[LogLine], *, as_json: bool) -> bool:
    """Print what came of a run; tells whether it completed."""
    from ratchet_mcp.cli.output import print_error, print_json
    from ratchet_mcp.errors import from_dict
    from ratchet_mcp.execution.models import Status

    for line in lines:
        print_log_line(line)
    if execution.cached is not None:
        told = f"this is the output of {execution.cached_from}, {execution.cached['age_seconds']:.0f} s ago; --fresh runs the task"
        sys.stderr.write(f"[cached] {told}\n")
    if as_json:
        print_json(to_record(execution, lines))
    elif execution.status is Status.COMPLETED:
        print_json(execution.output)
    if execution.status is Status.COMPLETED:
        return True
    print_error(from_dict(execution.failure))
    return False


def _is_recorded(execution: Execution, folder: Path) -> bool:
    from ratchet_mcp.cli.output import console
    from ratchet_mcp.egress.recording import is_of

    recorded = is_of(folder, execution.id)
    if not recorded:
        out = console(stderr=True)
        for warning in execution.warnings or [f"The recording was not written to {folder}."]:
            out.print("error", style="bold red", end=": ")
            out.print(warning)
    return recorded


def one_task(from_fs: Path | None, name: str | None, *, needed: bool = True) -> None:
    """Check that a task is named in one way, or, when none is `needed`, in one way at the most. Raises `BadParameter`."""
    named = (from_fs is not None) + (name is not None)
    if named > 1 or (needed and not named):
        raise typer.BadParameter("say which task: either --from-fs PATH or --task NAME")


def read_mock_file(file: Path | None) -> tuple[Mocks | None, MockedAnswers | None]:
    """Read a file of mocks: for the network, and for the user. Raises `InvalidArgument` and `TaskInvalid`."""
    if file is None:
        return None, None
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.errors import InvalidArgument
    from ratchet_mcp.testing.answers import MockedAnswers

    try:
        raw = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidArgument(f"The mock file {file} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"The mock file {file} is not JSON: {error}.") from error
    answers = MockedAnswers.read(raw, str(file), name=file.name)
    return Mocks.read(raw, str(file), name=file.name), answers if answers.unused else None


def read_input(text: str | None, file: Path | None) -> Any:
    """Read the input, `{}` when none was given. Raises `InvalidArgument` that names line and column."""
    from ratchet_mcp.errors import InvalidArgument

    if text is not None and file is not None:
        raise typer.BadParameter("give the input once: either --input-json or --input-file")
    place = "--input-json"
    if file is not None:
        place = "stdin" if str(file) == "-" else str(file)
        try:
            text = sys.stdin.buffer.read().decode("utf-8-sig") if str(file) == "-" else file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InvalidArgument(f"The input file {place} cannot be read: {error.strerror or error}.") from error
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"The input in {place} is not UTF-8 text.") from error
    if text is None:
        return {}
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidArgument(
            f"The input in {place} is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).",
            hint="""Quote it for the shell: --input-json '{"text": "hello"}'.""" if file is None else None,
        ) from error
    except (RecursionError, ValueError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidArgument(f"The input in {place} cannot be read: {reason}.") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


async def _run(
    settings: Settings,
    from_fs: Path | None,
    name: str | None,
    value: Any,
    seconds: float | None,
    mocks: Mocks | None,
    answers: Answers,
    record: Path | None,
    fresh: bool,
) -> tuple[Execution, list[LogLine]]:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.execution.models import Origin
    from ratchet_mcp.observability.log import configure
    from ratchet_mcp.security.principal import LOCAL

    configure(settings.logging)
    loaded = load(from_fs, settings) if from_fs is not None else None
    async with Ratchet.open(settings, work=False) as ratchet:
        task = loaded if loaded is not None else await ratchet.catalog.resolve(str(name))
        if record is not None:
            handle = await ratchet.recordings.start(
                task,
                value,
                folder=record,
                origin=Origin.CLI,
                timeout_seconds=seconds,
                on_progress=print_progress,
                mocks=mocks,
                answers=answers,
            )
        else:
            network = None if mocks is None else await ratchet.executions.network_for(task, seconds, mocks=mocks)
            handle = await ratchet.executions.start(
                task,
                value,
                origin=Origin.CLI,
                principal=LOCAL,
                timeout_seconds=seconds,
                on_progress=print_progress,
                network=network,
                answers=answers,
                fresh=fresh,
            )
        execution = await handle.wait(None)
        return execution, await ratchet.executions.logs(execution.id, limit=1_000_000)


def load(path: Path, settings: Settings) -> Task:
    """Load a task from a folder or a ZIP. Raises `TaskInvalid` and `TaskSyntaxError`."""
    from ratchet_mcp.tasks.loading import load_task

    return load_task(path, limits=settings.limits)


def print_progress(update: ProgressUpdate) -> None:
    """Show a progress report on stderr."""
    from ratchet_mcp.cli.output import printable

    words = " ".join(part for part in (update.step, update.message) if part)
    sys.stderr.write(f"[progress] {update.progress:g} {printable(words)}".rstrip() + "\n")


def print_log_line(line: LogLine) -> None:
    """Show a line of the task's console on stderr."""
    from ratchet_mcp.cli.output import printable

    sys.stderr.write(f"[{line.level}] {printable(line.message)}\n")


def to_record(execution: Execution, lines: list[LogLine]) -> dict[str, Any]:
    """Return the execution and its log as JSON values."""
    from dataclasses import asdict
    from datetime import datetime

    record = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(execution).items()}
    return record | {"logs": [{"at": line.at, "level": line.level, "message": line.message} for line in lines]}
