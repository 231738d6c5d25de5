"""Run the benchmarks that are named (all without names) and print the table; `--write` also puts their rows into the README."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from table import Rows, table, with_rows

NAMES = ("floor", "stdio", "start", "cpu", "listing", "memory", "registry", "testing", "fetch", "jobs", "jobs_postgres", "schedules")
README = Path(__file__).parents[2] / "README.md"


def main(arguments: list[str]) -> int:
    """Measure and print. The exit status is 1 when a target was missed."""
    chosen = [name for name in arguments if not name.startswith("-")] or list(NAMES)
    measured: Rows = {}
    missed = False
    for name in chosen:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures = import_module(f"bench_{name}").measure()
        measured[name] = [figure.row(name) for figure in figures]
        missed = missed or any(figure.met is False for figure in figures)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CPython {platform.python_version()}"
    print(f"{machine}\n\n{table(measured, NAMES)}")
    if "--write" in arguments:
        README.write_text(with_rows(README.read_text(), measured, NAMES, machine))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
