"""Tools for whoever looks after the sources of tasks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
from mcp.types import ToolAnnotations
from pydantic import Field

from ratchet_mcp.mcp.results import ToolResult, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.spec import CHANGES, STOPS, Call, ToolSpec
from ratchet_mcp.registry.changes import Changes

MOST_NAMES = 50
MOST_PROBLEMS = 20
FETCHES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


class SyncRegistry(Arguments):
    """Arguments of sync_registry."""

    source: Annotated[str | None, Field(description="name of one source; all by default", max_length=200)] = None


class EnableTask(Arguments):
    """Arguments of enable_task."""

    task: Annotated[str, Field(description="name or UUID", min_length=1, max_length=200)]
    enabled: Annotated[bool, Field(description="false keeps the task from running")]


class PurgeCache(Arguments):
    """Arguments of purge_cache."""

    task: Annotated[str | None, Field(description="name or name@version; all by default", max_length=200)] = None


async def sync_registry(call: Call, arguments: SyncRegistry) -> ToolResult:
    """Bring sources up to date, over the network where they are remote, and tell what changed and what is wrong."""
    catalog = (await call.app.get()).catalog
    changes = Changes()
    with anyio.move_on_after(call.settings.mcp.wait_seconds) as waiting:
        changes = await catalog.reload(arguments.source, refresh=True)
    problems = [each for each in catalog.problems if arguments.source in (None, each.source)]
    view: dict[str, Any] = {}
    for kind, names in (("added", changes.added), ("changed", changes.changed), ("removed", changes.removed)):
        view[kind] = {"count": len(names), "names": sorted(names)[:MOST_NAMES]}
    view["total"] = catalog.find(limit=1).total
    view["sources"] = [
        {"name": scan.source.name, "kind": scan.source.kind, "uri": scan.source.uri, "versions": len(scan.entries)}
        for scan in catalog.scans
        if arguments.source in (None, scan.source.name)
    ]
    view["problems"] = {"count": len(problems), "first": [each.to_dict() for each in problems[:MOST_PROBLEMS]]}
    if waiting.cancelled_caught:
        view["hint"] = f"Fetching takes longer than {call.settings.mcp.wait_seconds:g} s and goes on; call sync_registry again later."
    return success(view)


async def enable_task(call: Call, arguments: EnableTask) -> ToolResult:
    """Let a task run, or keep it from running, on every server of the store."""
    catalog = (await call.app.get()).catalog
    await catalog.set_enabled(arguments.task, arguments.enabled)
    summary = catalog.summary(arguments.task)
    return success({"name": summary.name, "enabled": summary.enabled})


async def purge_cache(call: Call, arguments: PurgeCache) -> ToolResult:
    """Forget results that would be given again, of a task or of all."""
    ratchet = await call.app.get()
    name, _, version = (arguments.task or "").partition("@")
    return success({"purged": await ratchet.store.cached.purge(datetime.now(UTC), name or None, version or None)})


_NAMES = {"type": "object", "properties": {"count": schemas.INTEGER, "names": {"type": "array", "items": schemas.STRING}}}

TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="sync_registry",
        title="Sync the registry",
        description='Fetch and scan the sources of tasks again; tells what changed and what is wrong. Example: {"source": "team"}',
        arguments=SyncRegistry,
        output=schemas.result(
            {
                "added": _NAMES,
                "changed": _NAMES,
                "removed": _NAMES,
                "total": schemas.INTEGER,
                "hint": schemas.STRING,
                "sources": {"type": "array", "items": schemas.OBJECT},
                "problems": {
                    "type": "object",
                    "properties": {"count": schemas.INTEGER, "first": {"type": "array", "items": schemas.OBJECT}},
                },
            }
        ),
        annotations=FETCHES,
        handler=sync_registry,
        toolset="admin",
    ),
    ToolSpec(
        name="enable_task",
        title="Enable or disable a task",
        description='Let a task run, or not. A disabled one stays listed, with its history. Example: {"task": "greet", "enabled": false}',
        arguments=EnableTask,
        output=schemas.result({"name": schemas.STRING, "enabled": schemas.BOOLEAN}),
        annotations=CHANGES,
        handler=enable_task,
        toolset="admin",
    ),
    ToolSpec(
        name="purge_cache",
        title="Purge the cache of results",
        description='Forget results that would be given again, of one task or of all. Example: {"task": "exchange-rates"}',
        arguments=PurgeCache,
        output=schemas.result({"purged": schemas.INTEGER}),
        annotations=STOPS,
        handler=purge_cache,
        toolset="admin",
    ),
]
