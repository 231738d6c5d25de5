"""The console script `ratchet`. Commands import what they need when they run, so that `--version` and `mcp` start fast."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ratchet_mcp import __version__
from ratchet_mcp.cli import (
    batch,
    cache,
    config,
    debug,
    deliveries,
    doctor,
    generate,
    install,
    jobs,
    replay,
    repo,
    run_once,
    schedule,
    serving,
    test,
    validate,
    worker,
)
from ratchet_mcp.errors import RatchetError

app = typer.Typer(
    name="ratchet",
    help="Run JavaScript tasks safely, for LLM clients that speak the Model Context Protocol.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run-once")(run_once.run_once)
app.command("batch")(batch.batch)
app.command("replay")(replay.replay)
app.command("validate")(validate.validate)
app.command("test")(test.test)
app.command("debug")(debug.debug)
app.command("serve")(serving.serve)
app.command("mcp")(serving.mcp)
app.command("mcp-serve")(serving.mcp_serve)
app.command("worker")(worker.worker)
app.command("doctor")(doctor.doctor)
app.command("install")(install.install)
app.add_typer(jobs.app, name="jobs")
app.add_typer(schedule.app, name="schedule")
app.add_typer(repo.app, name="repo")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(cache.app, name="cache")
app.add_typer(config.app, name="config")
app.add_typer(generate.app, name="generate")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ratchet {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Run JavaScript tasks safely, for LLM clients that speak the Model Context Protocol."""


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 a `RatchetError` (told on stderr), 2 wrong usage, 130 interrupted."""
    try:
        app()
    except RatchetError as error:
        from ratchet_mcp.cli.output import print_error

        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our stdout has gone; Python would complain once more while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
