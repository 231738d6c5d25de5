"""How `ratchet test` runs: once, or again and again while the files change."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from ratchet_mcp.app import Ratchet
from ratchet_mcp.cli.output import console, print_json
from ratchet_mcp.cli.test_session import Candidate, Listener, Round, Wishes, play
from ratchet_mcp.cli.test_show import Show
from ratchet_mcp.cli.test_watch import TaskFolder, until_interrupted, watch
from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.observability.log import configure
from ratchet_mcp.registry.folders import FolderSource
from ratchet_mcp.settings import Settings, SourceSettings
from ratchet_mcp.testing.junit import to_xml

SOURCE = "tested"
"""The name of the folder that is tested, as a source."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says: a path or a name, which tests, and where the results go."""

    from_fs: Path | None
    name: str | None
    wishes: Wishes
    junit: Path | None
    as_json: bool


async def once(settings: Settings, wanted: Wanted) -> int:
    """Test everything; return the exit status."""
    async with _opened(settings, wanted) as ratchet:
        if wanted.from_fs is not None:
            candidates = await TaskFolder(FolderSource(SOURCE, wanted.from_fs), settings.limits).changed()
        else:
            task = await ratchet.catalog.resolve(str(wanted.name), disabled=True)
            candidates = [Candidate(task.reference, lambda: task)]
        return (await _round(ratchet, candidates, wanted)).status


async def watching(settings: Settings, wanted: Wanted) -> int:
    """Test everything, then what changes, until Ctrl+C; return the exit status of that: 0."""
    async with _opened(settings, wanted) as ratchet, anyio.create_task_group() as group:
        group.start_soon(until_interrupted, group.cancel_scope)
        folder = await _folder(ratchet, settings, wanted)

        async def again(candidates: list[Candidate]) -> None:
            await _round(ratchet, candidates, wanted)

        await watch(folder, again, console(stderr=True))
    return 0


async def _round(ratchet: Ratchet, candidates: list[Candidate], wanted: Wanted) -> Round:
    """Run one round, show it, and write the file for CI."""
    if wanted.as_json:
        played = await play(ratchet.testing, candidates, wanted.wishes, Listener())
        print_json(played.to_dict())
    else:
        with Show().running() as show:
            played = await play(ratchet.testing, candidates, wanted.wishes, show)
        show.summary(played)
    if not played.reports:
        console(stderr=True).print(_nothing(wanted), style="yellow")
    elif wanted.junit is not None:
        await anyio.to_thread.run_sync(_write_junit, wanted.junit, played)
    return played


def _opened(settings: Settings, wanted: Wanted) -> AbstractAsyncContextManager[Ratchet]:
    """Open a Ratchet. A tested folder is served before all other sources, so that its tasks can call each other.

    It gets a database in memory then: what is tested is not yet part of the user's catalog, and CI needs no place to write.
    """
    configure(settings.logging)
    if wanted.from_fs is None:
        return Ratchet.open(settings, work=False)
    tested = SourceSettings(name=SOURCE, uri=str(wanted.from_fs.absolute()))
    registry = settings.registry.model_copy(update={"sources": [tested, *settings.registry.sources]})
    store = settings.store.model_copy(update={"url": "sqlite://"})
    return Ratchet.open(settings.model_copy(update={"registry": registry, "store": store}), work=False)


async def _folder(ratchet: Ratchet, settings: Settings, wanted: Wanted) -> TaskFolder:
    """Return what to watch. Raises `InvalidArgument` for a known task that has no files here."""
    if wanted.from_fs is not None:
        return TaskFolder(FolderSource(SOURCE, wanted.from_fs), settings.limits)
    task = await ratchet.catalog.resolve(str(wanted.name), disabled=True)
    path = Path((task.location or "").partition("!/")[0])
    if not task.location or not await anyio.to_thread.run_sync(path.exists):
        raise InvalidArgument(f"{task.reference} has no files here that could be watched.", hint="Watch a folder: --from-fs PATH.")
    return TaskFolder(FolderSource(SOURCE, path), settings.limits, only=task.name)


def _write_junit(file: Path, played: Round) -> None:
    try:
        file.write_text(to_xml(played.reports), encoding="utf-8")
    except OSError as error:
        raise InvalidArgument(f"The JUnit file {file} cannot be written: {error.strerror or error}.") from error


def _nothing(wanted: Wanted) -> str:
    if wanted.wishes.pattern is not None:
        return f"There is nothing to run: no test matches {wanted.wishes.pattern!r}."
    return "There is nothing to run: no task with tests is there. Put test cases into tests/*.json."
