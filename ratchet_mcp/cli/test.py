"""`ratchet test`: run the tests of a task, or of every task in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratchet_mcp.cli import options
from ratchet_mcp.cli.run_once import one_task

FromFs = Annotated[
    Path | None,
    typer.Option("--from-fs", help="Folder or ZIP of a task, or a folder of such.", metavar="PATH", exists=True, show_default=False),
]
TaskName = Annotated[
    str | None, typer.Option("--task", help="Name, name@version or UUID of a known task.", metavar="NAME", show_default=False)
]
Pattern = Annotated[
    str | None,
    typer.Option("--filter", help="Only tests whose task/test has this in it; * and ? may be used.", metavar="PATTERN", show_default=False),
]
Coverage = Annotated[bool, typer.Option("--coverage/--no-coverage", help="Measure which lines ran.")]
Parallel = Annotated[
    int | None,
    typer.Option("--parallel", min=1, help="Tests that run at the same time, at most engine.max_workers.", metavar="N", show_default=False),
]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML into this file.", metavar="FILE", show_default=False)]
MockFile = Annotated[
    Path | None,
    typer.Option("--mock-file", help="Mocks for requests that a test does not mock itself.", metavar="FILE", show_default=False),
]
Watch = Annotated[bool, typer.Option("--watch", help="Test again what changes, until Ctrl+C.")]


def test(
    from_fs: FromFs = None,
    task: TaskName = None,
    pattern: Pattern = None,
    coverage: Coverage = True,
    parallel: Parallel = None,
    junit: Junit = None,
    mock_file: MockFile = None,
    watch: Watch = False,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Run the tests of a task, or of all tasks in a folder. Exit status: 0 all passed, 1 one did not, 2 there was nothing to run."""
    one_task(from_fs, task)
    if from_fs is not None and not from_fs.is_dir() and from_fs.suffix.lower() != ".zip":
        raise typer.BadParameter(f"{from_fs} is neither a folder nor a ZIP; name the folder of the task", param_hint="--from-fs")
    if watch and as_json:
        raise typer.BadParameter("--watch prints for people; leave out --json")

    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.run_once import read_mock_file
    from ratchet_mcp.cli.settings import for_one_run
    from ratchet_mcp.cli.test_run import Wanted, once, watching
    from ratchet_mcp.cli.test_session import Wishes

    wanted = Wanted(from_fs, task, Wishes(pattern, coverage, parallel, *read_mock_file(mock_file)), junit, as_json)
    status = run(watching if watch else once, for_one_run(config, profile), wanted)
    if status:
        raise typer.Exit(status)
