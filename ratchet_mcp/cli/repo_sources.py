"""What the sources of the settings are, what is here of them, and bringing them up to date."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ratchet_mcp.errors import InvalidArgument

if TYPE_CHECKING:
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.registry.source import Source, TaskProblem
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store


def list_sources(config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Print name, kind and place of each source, in order of precedence."""
    from ratchet_mcp.cli.output import print_json, print_table

    _, sources, problems = opened(config, profile)
    rows = [_identity(source) for source in sources]
    if as_json:
        print_json({"sources": rows, "problems": [problem.to_dict() for problem in problems]})
        return
    print_table(("source", "kind", "where", "refreshed"), [(row["name"], row["kind"], row["uri"], _interval(row)) for row in rows])
    tell_problems(problems)


def status(name: str | None, config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Print what is here of each source; nothing is fetched."""
    from ratchet_mcp.cli.output import print_json, print_table
    from ratchet_mcp.registry.source import TaskProblem

    settings, sources, problems = opened(config, profile)
    rows: list[dict[str, Any]] = []
    for source in chosen(name, sources, problems):
        results = list(source.scan(settings.limits))
        found = [each for each in results if not isinstance(each, TaskProblem)]
        wrong = [each for each in results if isinstance(each, TaskProblem)]
        problems += wrong
        facts: dict[str, Any] = getattr(source, "facts", dict)()
        rows.append(
            {
                **_identity(source),
                "tasks": len({each.metadata.name for each in found}),
                "versions": len(found),
                "problems": len(wrong),
                **facts,
                **({"checked_at": _moment(facts["checked_at"])} if "checked_at" in facts else {}),
            }
        )
    if as_json:
        print_json({"sources": rows, "problems": [problem.to_dict() for problem in problems]})
        return
    print_table(
        ("source", "kind", "tasks", "versions", "problems", "last asked", "here"),
        [
            (row["name"], row["kind"], row["tasks"], row["versions"], row["problems"], row.get("checked_at") or "", _here(row))
            for row in rows
        ],
    )
    tell_problems(problems)


def refresh(name: str | None, config: Path | None, profile: str | None, *, accept_changed: bool, as_json: bool) -> None:
    """Fetch what is new of the sources, and print what changed. Exit status 1 when a source cannot be reached."""
    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import print_json, print_text, printable
    from ratchet_mcp.registry.changes import Changes

    settings, sources, unopened = opened(config, profile)
    chosen(name, sources, unopened)

    async def work() -> tuple[Changes, list[str], list[TaskProblem]]:
        async with catalog_of(settings, store=accept_changed) as (catalog, store):
            known = catalog.ledger.known({source.name for source in catalog.sources if source.remote and name in (None, source.name)})
            changes = await catalog.reload(name, refresh=True, accept_changed=accept_changed)
            accepted = await _accept(catalog, store, known) if store is not None else []
            return changes, accepted, [problem for problem in catalog.problems if name in (None, problem.source)]

    changes, accepted, problems = run(work)
    failed = [problem for problem in problems if problem.error.code == "source_failed"]
    report = {
        "added": sorted(changes.added),
        "changed": sorted(changes.changed),
        "removed": sorted(changes.removed),
        "accepted": accepted,
        "problems": [problem.to_dict() for problem in problems],
    }
    if as_json:
        print_json(report)
    else:
        for word in ("added", "changed", "removed", "accepted"):
            if report[word]:
                print_text(f"{word}: {printable(', '.join(str(each) for each in report[word]))}")
        print_text(
            "Nothing is new."
            if not changes and not accepted
            else f"{counted_tasks(len(accepted))} accepted."
            if not changes
            else f"{counted_tasks(len(changes.added | changes.changed | changes.removed))} new, changed or gone."
        )
        tell_problems(problems)
    if failed:
        raise typer.Exit(1)


async def _accept(catalog: Catalog, store: Store, known: Mapping[tuple[str, str, str], str]) -> list[str]:
    """Load what was known, write down that its content is right now, and tell running servers; return what has other content.

    Raises `StoreFailed`, `Busy`.
    """
    from contextlib import suppress

    from ratchet_mcp.errors import RatchetError
    from ratchet_mcp.registry.sync import Sync

    for scan in catalog.scans:
        for entry in scan.entries.values():
            if entry.identity in known:
                with suppress(RatchetError):  # what cannot be loaded is among the problems
                    await catalog.resolve(entry.summary.reference, disabled=True)
    await Sync(catalog, store, catalog.settings.watch).flush()
    await store.registry.tell_accepted()
    now = {identity: catalog.ledger.digest_of(identity) for identity in known}
    return sorted(f"{identity[1]}@{identity[2]}" for identity, digest in known.items() if now[identity] not in (None, digest))


def set_enabled(task: str, enabled: bool, config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Let a task run or not. Raises `TaskNotFound`, `StoreFailed`."""
    from ratchet_mcp.cli.interrupts import run
    from ratchet_mcp.cli.output import print_json, print_text, printable

    settings, _, _ = opened(config, profile)

    async def work() -> str:
        async with catalog_of(settings, store=True) as (catalog, _):
            name = catalog.summary(task).name
            await catalog.set_enabled(name, enabled)
            return name

    name = run(work)
    if as_json:
        print_json({"task": name, "enabled": enabled})
    else:
        print_text(f"{printable(name)} is {'enabled' if enabled else 'disabled'}.")


# ---------------------------------------------------------------- what the commands share
def opened(config: Path | None, profile: str | None) -> tuple[Settings, list[Source], list[TaskProblem]]:
    """Return the settings, their sources, and what is wrong with sources that cannot be opened."""
    from ratchet_mcp.cli.settings import for_one_run
    from ratchet_mcp.observability.log import configure
    from ratchet_mcp.registry.sources import open_sources

    settings = for_one_run(config, profile)
    configure(settings.logging)
    sources, problems = open_sources(settings.registry, settings.limits, settings.network)
    return settings, sources, problems


def chosen(name: str | None, sources: list[Source], problems: Iterable[TaskProblem]) -> list[Source]:
    """Return the source of a name, or all. Raises its error when it could not be opened, `InvalidArgument` when there is none."""
    if name is None:
        return sources
    found = [source for source in sources if source.name == name]
    for problem in problems:
        if problem.source == name and not found:
            raise problem.error
    if not found:
        names = ", ".join(source.name for source in sources) or "none"
        raise InvalidArgument(f"There is no source {name[:80]!r}.", hint=f"The sources are: {names}.")
    return found


@asynccontextmanager
async def catalog_of(settings: Settings, *, store: bool) -> AsyncGenerator[tuple[Catalog, Store | None]]:
    """Open the catalog as a server would, with the database only when it is needed. Raises `StoreFailed`."""
    from ratchet_mcp.registry.catalog import Catalog

    catalog = Catalog(settings.registry, settings.limits, settings.network)
    await catalog.start()
    if not store:
        yield catalog, None
        return
    from ratchet_mcp.store.opening import import_store

    async with (await import_store()).open(settings.store) as database:
        await catalog.attach(database)
        catalog.ledger.remember(await database.registry.all())
        yield catalog, database


def counted_tasks(count: int) -> str:
    """Return `1 task` or `5 tasks`."""
    return f"{count} task{'' if count == 1 else 's'}"


def tell_problems(problems: Iterable[TaskProblem]) -> None:
    """Print what is wrong on stderr, a line each."""
    from ratchet_mcp.cli.output import console, printable

    out = console(stderr=True)
    for problem in problems:
        word = "warning" if problem.warning else "problem"
        out.print(f"{word}: {printable(problem.source)}: {printable(problem.error.message)}", style="yellow" if problem.warning else "red")
        if problem.error.hint:
            out.print(f"  hint: {printable(problem.error.hint)}")


def _identity(source: Source) -> dict[str, Any]:
    facts = {"name": source.name, "kind": source.kind, "uri": source.uri, "remote": source.remote}
    return {**facts, "refresh_seconds": source.refresh_seconds}


def _interval(row: dict[str, Any]) -> str:
    seconds = row["refresh_seconds"]
    return f"every {seconds:g} s" if seconds else "once" if row["remote"] else "watched"


def _here(row: dict[str, Any]) -> str:
    if row.get("commit"):
        return f"commit {row['commit'][:12]}"
    return f"{row['cached_zips']} of {row['tasks_in_index']} ZIPs" if "cached_zips" in row else ""


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
