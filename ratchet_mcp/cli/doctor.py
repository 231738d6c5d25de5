"""`ratchet doctor`: show what this machine has, and prove that each limit really ends a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.cli.checks import Check

SIGNS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "missing": ("✗", "bold red")}


def doctor(as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Check this machine, and prove with real workers that each limit ends a run. Exit status 1 if something is missing."""
    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import console, print_json

    out = console()
    found: list[Check] = []
    area = ""

    def tell(check: Check) -> None:
        nonlocal area
        found.append(check)
        if as_json:
            return
        if check.area != area:
            area = check.area
            out.print(f"\n{area.capitalize()}", style="bold")
        sign, style = SIGNS[check.state]
        out.print(f"  {sign} ", style=style, end="")
        out.print(f"{check.name:<46} {check.detail}")
        if check.hint and check.state != "ok":
            out.print(f"      {check.hint}", style="yellow")

    run(_examine, config, profile, tell)
    missing = [check for check in found if check.state == "missing"]
    if as_json:
        print_json({"healthy": not missing, "checks": [check.to_dict() for check in found]})
    elif missing:
        out.print(f"\n{len(missing)} of {len(found)} checks failed.", style="bold red")
    else:
        out.print(f"\nAll {len(found)} checks passed.", style="bold green")
    if missing:
        raise typer.Exit(1)


async def _examine(config: Path | None, profile: str | None, tell: Callable[[Check], None]) -> None:
    from contextlib import aclosing

    from ratchet_mcp.cli import checks, proofs
    from ratchet_mcp.observability.log import configure
    from ratchet_mcp.settings import LoggingSettings

    configure(LoggingSettings(level="ERROR"))
    for check in checks.versions():
        tell(check)
    loaded, about_settings = checks.settings(config, profile)
    for check in [*about_settings, *await checks.services(loaded.settings)]:
        tell(check)
    async with aclosing(proofs.prove(loaded.settings)) as proven:
        async for check in proven:
            tell(check)
