"""Writes tasks into one file, of any size; what an MCP result cannot hold is exported here."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet_mcp.errors import InvalidArgument

if TYPE_CHECKING:
    from ratchet_mcp.authoring.bundles import Export, Format

FORMATS: dict[str, Format] = {".zip": "zip", ".json": "json"}


def export(tasks: list[str], output: Path, config: Path | None, profile: str | None, *, force: bool, as_json: bool) -> None:
    """Write the file. Raises `TaskNotFound`, `TaskInvalid`, `InvalidArgument` and what opening the sources and the database raises."""
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import print_json, print_text, printable
    from ratchet_mcp.cli.repo_sources import counted_tasks
    from ratchet_mcp.cli.settings import for_one_run
    from ratchet_mcp.observability.log import configure

    form = FORMATS.get(output.suffix.lower())
    if form is None:
        raise InvalidArgument(f"{output} ends in neither .zip nor .json.", hint="Name a file that does.")
    if output.exists() and not force:
        raise InvalidArgument(f"{output} is there already.", hint="Name another file, or use --force.")
    settings = for_one_run(config, profile)
    configure(settings.logging)

    async def work() -> Export:
        async with Ratchet.open(settings, work=False) as ratchet:
            return await ratchet.authoring.bundles.export(tasks, form)

    made = run(work)
    _write(output, made.data)
    if as_json:
        print_json({"file": str(output), "format": made.format, "tasks": made.tasks, "bytes": len(made.data)})
    else:
        print_text(f"{printable(str(output))}: {counted_tasks(len(made.tasks))} ({printable(', '.join(made.tasks))})")


def _write(output: Path, data: bytes) -> None:
    """Write a file in one step. Raises `InvalidArgument`."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(name, 0o644)
            os.replace(name, output)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise InvalidArgument(f"{output} cannot be written: {error.strerror or error}.") from error
