"""Run the benchmarks that are named (all without names) and print the table; `--write` also puts it into the README."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from figures import HEAD

NAMES = ("floor", "stdio", "start", "cpu", "listing", "memory", "registry", "testing", "fetch", "jobs", "jobs_postgres", "schedules")
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def main(arguments: list[str]) -> int:
    """Measure and print. The exit status is 1 when a target was missed."""
    chosen = [name for name in arguments if not name.startswith("-")] or list(NAMES)
    figures = []
    for name in chosen:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += import_module(f"bench_{name}").measure()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CPython {platform.python_version()}"
    table = "\n".join([HEAD, *(figure.row for figure in figures)])
    print(f"{machine}\n\n{table}")
    if "--write" in arguments:
        text = README.read_text()
        head, _, rest = text.partition(BEGIN)
        tail = rest.partition(END)[2]
        README.write_text(f"{head}{BEGIN}\nPrinted by `tools/bench` on {machine}; medians.\n\n{table}\n{END}{tail}")
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
