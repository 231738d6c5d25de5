"""Makes, changes and removes tasks, through any face. They live in the database; tasks of other sources are never written to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
import anyio.to_thread

from ratchet_mcp.authoring.drafts import CODE, METADATA, SCHEMAS, Parts, Texts, changed, checked, is_plain, texts_of, without
from ratchet_mcp.authoring.findings import Finding
from ratchet_mcp.authoring.lint.checks import lint
from ratchet_mcp.authoring.templates import find_template
from ratchet_mcp.authoring.versions import Bump, next_version
from ratchet_mcp.errors import ConfirmationRequired, InvalidArgument, TaskExists, TaskInvalid, TaskNotFound, TaskReadOnly
from ratchet_mcp.registry.sources import DATABASE
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.store.records import AuthoredTask
from ratchet_mcp.tasks.metadata import NAME
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.versions import is_version

if TYPE_CHECKING:
    from ratchet_mcp.authoring.bundles import Bundles
    from ratchet_mcp.authoring.validation import Validation
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store
    from ratchet_mcp.tasks.definition import Task

FIRST_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class Written:
    """A version that was made, and what is doubtful about it. `replaces` is the version that it was made of."""

    task: Task
    findings: list[Finding] = field(default_factory=list[Finding])
    replaces: str | None = None
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Deletion:
    """What removing would mean: `versions` go, `stays` are versions of the same task that other sources serve."""

    name: str
    versions: list[str]
    stays: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return `{task, versions, stays}`."""
        return {"task": self.name, "versions": self.versions, "stays": self.stays}


class Authoring:
    """The life of tasks in the database. Writing is one transaction; afterwards the catalog serves what was written."""

    def __init__(self, catalog: Catalog, store: Store, executions: Executions, settings: Settings) -> None:
        self.catalog, self.store, self.settings = catalog, store, settings
        self._executions = executions
        self._writing = anyio.Lock()

    @cached_property
    def validation(self) -> Validation:
        """Return what checks tasks."""
        from ratchet_mcp.authoring.validation import Validation

        return Validation(self.catalog, self.store, self._executions, self.settings)

    @cached_property
    def bundles(self) -> Bundles:
        """Return what imports and exports tasks."""
        from ratchet_mcp.authoring.bundles import Bundles

        return Bundles(self)

    # ---------------------------------------------------------------- making
    async def create(
        self, name: str, parts: Parts, *, version: str = FIRST_VERSION, template: str | None = None, principal: Principal = LOCAL
    ) -> Written:
        """Make a task under a name that is free. What is not given comes from the template.

        Raises `TaskInvalid` (listing everything that is wrong), `TaskExists`, `StoreFailed`, `Busy`.
        """
        problems = Problems()
        base: Texts = {}
        if template is not None:
            try:
                base = await anyio.to_thread.run_sync(lambda: dict(find_template(template).texts))
            except TaskNotFound as error:
                problems.add("template", error.message, path="$.template")
        _require(parts, base, problems)
        identity = {"uuid": str(uuid4()), "name": name, "version": version}
        texts = changed(base, parts, identity, problems)
        if template is not None and parts.title is None:
            texts = without(texts, "title")
        async with self._writing:
            existing = self.catalog.versions(name)
            try:
                task, made = await self._check(name, version, texts, problems)
            except TaskInvalid as error:
                if existing:
                    error.details["problems"].append({"file": METADATA, "path": "$.name", "message": f"there is a task {name} already"})
                raise
            if existing:
                raise TaskExists(
                    f"There is a task {name} already (versions {', '.join(existing[:5])}); nothing was made.",
                    hint="Call edit_task to make a new version of it, or choose another name.",
                    details={"task": f"{name}@{existing[0]}", "versions": existing[:50]},
                )
            await self.keep([record_of(task, texts, principal)], new=True)
        return Written(task, made)

    async def edit(
        self,
        reference: str,
        parts: Parts,
        *,
        bump: Bump | None = None,
        version: str | None = None,
        enabled: bool | None = None,
        principal: Principal = LOCAL,
    ) -> Written:
        """Make a new version of a task in which only what is given differs; the old version stays.

        Works for tasks of every source: the new version lives in the database, under the same name and UUID. `enabled` alone lets the task
        run or not, and makes no version. Raises `TaskNotFound`, `TaskInvalid`, `TaskExists`, `InvalidArgument`, `StoreFailed`, `Busy`.
        """
        if bump is not None and version is not None:
            raise InvalidArgument("bump and version were both given.", hint="Give one of them.")
        task = await self.catalog.resolve(reference, disabled=True)
        if not parts.given and enabled is None:
            raise InvalidArgument("Nothing to change was given.", hint="Give the parts that change, such as code or description.")
        written = Written(task)
        if parts.given:
            async with self._writing:
                written = await self._edit(task, parts, bump, version, principal)
        if enabled is not None:
            await self.catalog.set_enabled(task.name, enabled)
            written.notes.append(f"{task.name} is {'enabled' if enabled else 'disabled: it does not run'}.")
        return written

    async def _edit(self, task: Task, parts: Parts, bump: Bump | None, version: str | None, principal: Principal) -> Written:
        taken = self.catalog.versions(task.name)
        wanted = version if version is not None else next_version(task.version, bump or "patch", taken)
        if wanted in taken:
            raise TaskExists(
                f"{task.name} has a version {wanted[:64]} already; nothing was made.",
                hint="Leave version out, or give one that is not taken.",
                details={"task": f"{task.name}@{wanted}", "versions": taken[:50]},
            )
        notes: list[str] = []
        summary = self.catalog.summary(f"{task.uuid}@{task.version}")
        if summary.source_kind != DATABASE:
            notes.append(f"{task.reference} of the source {task.origin} is unchanged; the new version is in the database.")
        problems = Problems()
        base = await self.texts(task)
        if summary.remote and parts.expose is None:
            base = without(base, "expose")
        texts = changed(base, parts, {"uuid": str(task.uuid), "name": task.name, "version": wanted}, problems)
        made, found = await self._check(task.name, wanted, texts, problems)
        await self.keep([record_of(made, texts, principal)], new=True)
        return Written(made, found, task.version, notes)

    async def _check(self, name: str, version: str, texts: Texts, problems: Problems) -> tuple[Task, list[Finding]]:
        def check() -> tuple[Task, list[Finding]]:
            task = checked(name, texts, problems, self.settings.limits, f"{DATABASE}:{name}@{version}")
            return task, lint(task, texts)

        return await anyio.to_thread.run_sync(check)

    # ---------------------------------------------------------------- removing
    async def plan_deletion(self, reference: str, version: str | None = None) -> Deletion:
        """Return what `delete` would remove. Raises `TaskNotFound`, `TaskReadOnly` or `InvalidArgument`."""
        base, at, named = reference.strip().partition("@")
        if at and version is not None and named != version:
            raise InvalidArgument(f"task names version {named[:64]}, version is {version[:64]}.", hint="Give the version once.")
        version = version or named or None
        if version is not None and not is_version(version):
            raise InvalidArgument(f"{version[:64]!r} is not an exact version.", hint='Name one version such as "1.0.0", or none for all.')
        heads = await anyio.to_thread.run_sync(self.store.authored.heads_now)
        name = base if NAME.fullmatch(base) and any(head.name == base for head in heads) else await self._name_of(base)
        versions = [head.version for head in heads if head.name == name and version in (None, head.version)]
        served = self.catalog.versions(name)
        if not versions:
            summary = self.catalog.summary(f"{name}@{version}" if version else name)
            raise TaskReadOnly(
                f"{summary.reference} comes from the source {summary.origin}, which Ratchet does not write to; nothing was removed.",
                hint="Remove it where it comes from, or disable it with edit_task and enabled: false.",
                details={"source": summary.origin, "task": summary.reference},
            )
        versions.sort(key=lambda each: served.index(each) if each in served else -1)
        mine = {head.version for head in heads if head.name == name}
        return Deletion(name, versions, [each for each in served if each not in mine])

    async def _name_of(self, base: str) -> str:
        """Return the name of a task given by its UUID."""
        return self.catalog.summary(base).name

    async def delete(self, deletion: Deletion, *, confirmed: bool) -> list[str]:
        """Remove what was planned and return the versions that went; executions stay.

        Raises `ConfirmationRequired`, `StoreFailed`, `Busy`.
        """
        if not confirmed:
            listed = ", ".join(deletion.versions[:10])
            raise ConfirmationRequired(
                f"Removing {deletion.name} ({listed}) was not confirmed; nothing was removed.", details={"would_remove": deletion.to_dict()}
            )
        gone: list[str] = []
        async with self._writing:
            for version in deletion.versions:
                gone += await self.store.authored.remove(deletion.name, version)
            await self.catalog.reload(DATABASE)
        return gone

    # ---------------------------------------------------------------- what bundles and checks need as well
    async def texts(self, task: Task) -> Texts:
        """Return the files of a task in today's layout: to the letter, if they are kept in that layout in the database."""
        if (task.location or "").startswith(f"{DATABASE}:"):
            kept = await self.store.authored.get(task.name, task.version)
            if kept is not None and is_plain(kept.files):
                return dict(kept.files)
        return texts_of(task)

    async def keep(self, records: Iterable[AuthoredTask], *, new: bool) -> None:
        """Write all of them or none, and let the catalog serve them. With `new`, raises `TaskExists` when one is there already."""
        there = await self.store.authored.put_all(list(records), new=new)
        if there:
            raise TaskExists(
                f"{there[0]} was made by somebody else in this moment; nothing was changed.",
                hint="Look at it, and try again with another version.",
                details={"task": there[0]},
            )
        await self.catalog.reload(DATABASE)

    @property
    def writing(self) -> anyio.Lock:
        """Return the lock that whoever writes holds, from looking at what is there to having written."""
        return self._writing


def record_of(task: Task, texts: Mapping[str, str], principal: Principal) -> AuthoredTask:
    """Return the row that keeps a task."""
    now = datetime.now(UTC)
    return AuthoredTask(task.name, task.version, str(task.uuid), task.digest, dict(texts), principal.id, now, now)


def _require(parts: Parts, base: Texts, problems: Problems) -> None:
    """Note which of the parts that every task needs were not given."""
    if base:
        return
    for name, file in {"description": METADATA, "code": CODE, **SCHEMAS}.items():
        if name not in parts.given:
            problems.add(file, f"{name} is missing; give it, or name a template", path=f"$.{name}")
