"""Shares tasks: exports them as a ZIP or JSON, and imports either, all or nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import anyio.to_thread

from ratchet_mcp.authoring.arrivals import Arrival, Verdict, read_bundle
from ratchet_mcp.authoring.conflicts import OnConflict, Planner
from ratchet_mcp.authoring.drafts import Texts
from ratchet_mcp.authoring.packing import JSON_FORMAT, folder_of, pack
from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.security.principal import LOCAL, Principal

if TYPE_CHECKING:
    from ratchet_mcp.authoring.service import Authoring

Format = Literal["zip", "json"]
MAX_EXPORTED = 500


@dataclass(frozen=True, slots=True)
class Export:
    """Tasks as one file. The same tasks always give the same bytes."""

    format: Format
    data: bytes
    tasks: list[str]

    def text(self) -> str:
        """Return what import_tasks takes as `data`: base64 of a ZIP, or JSON."""
        return base64.b64encode(self.data).decode() if self.format == "zip" else self.data.decode("utf-8")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of each task. When one failed, nothing was imported."""

    verdicts: list[Verdict] = field(default_factory=list[Verdict])

    @property
    def failed(self) -> bool:
        """Tell whether a task failed, so that nothing was imported."""
        return any(each.status == "failed" for each in self.verdicts)

    def count(self, status: str) -> int:
        """Return how many tasks have a status."""
        return sum(1 for each in self.verdicts if each.status == status)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        counts = {status: self.count(status) for status in ("imported", "unchanged", "skipped", "failed", "withheld")}
        return {"tasks": [each.to_dict() for each in self.verdicts], **{key: count for key, count in counts.items() if count}}


class Bundles:
    """Exports from the catalog, imports into the database."""

    def __init__(self, authoring: Authoring) -> None:
        self._authoring = authoring

    async def export(self, references: Sequence[str], format: Format = "zip") -> Export:
        """Write tasks into one file; `name@*` means all versions. Raises what `Catalog.resolve` raises, and `InvalidArgument`."""
        catalog = self._authoring.catalog
        exact: dict[str, str] = {}
        for reference in references:
            name, _, wanted = reference.strip().partition("@")
            versions = catalog.versions(catalog.summary(name).name) if wanted.strip() == "*" else None
            for each in [reference] if versions is None else [f"{name}@{version}" for version in versions]:
                summary = catalog.summary(each)
                exact[f"{summary.uuid}@{summary.version}"] = each
        if len(exact) > MAX_EXPORTED:
            raise InvalidArgument(f"{len(exact)} versions are more than an export may hold ({MAX_EXPORTED}).", hint="Export fewer tasks.")
        packed: dict[str, Texts] = {}
        named: dict[str, str] = {}
        for reference in exact:
            task = await catalog.resolve(reference, disabled=True)
            packed[folder_of(task)] = await self._authoring.texts(task)
            named[folder_of(task)] = task.reference
        data = await anyio.to_thread.run_sync(pack if format == "zip" else _to_json, packed)
        return Export(format, data, [named[folder] for folder in sorted(named)])

    async def take(
        self,
        *,
        data: Any = None,
        uri: str | None = None,
        on_conflict: OnConflict = "error",
        dry_run: bool = False,
        principal: Principal = LOCAL,
    ) -> ImportReport:
        """Import what `data` (base64 of a ZIP, or JSON) or the file at `uri` holds: all of it, or nothing when one task fails.

        Raises `InvalidArgument` and `TaskInvalid` for what is no bundle at all, `SourceFailed` for what cannot be fetched, `StoreFailed`
        and `Busy`; a task that is wrong is a verdict in the report.
        """
        if (data is None) == (uri is None):
            raise InvalidArgument("import_tasks takes data or uri.", hint="Give exactly one of them.")
        arrivals = await self._read(data, uri)
        authoring = self._authoring
        async with authoring.writing:
            verdicts, records = await Planner(authoring, on_conflict, principal).plan(arrivals)
            report = ImportReport(verdicts)
            if report.failed or dry_run:
                for verdict in verdicts:
                    if verdict.status == "imported":
                        verdict.status = "withheld"
            elif records:
                await authoring.keep(records, new=on_conflict != "overwrite")
        return report

    async def _read(self, data: Any, uri: str | None) -> list[Arrival]:
        settings = self._authoring.settings
        if uri is None:
            return await anyio.to_thread.run_sync(read_bundle, data, settings.limits)
        from ratchet_mcp.authoring.fetching import fetch

        found, remote = await anyio.to_thread.run_sync(fetch, uri, settings.registry, settings.network, abandon_on_cancel=True)
        return await anyio.to_thread.run_sync(lambda: read_bundle(found, settings.limits, remote=remote))


def _to_json(packed: dict[str, Texts]) -> bytes:
    tasks = [{"folder": folder, "files": dict(sorted(packed[folder].items()))} for folder in sorted(packed)]
    return (json.dumps({"format": JSON_FORMAT, "tasks": tasks}, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
