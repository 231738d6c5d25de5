"""Decides what becomes of each task of an import, where its name, version or UUID is taken already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Literal
from uuid import UUID, uuid4

from ratchet_mcp.authoring.arrivals import Arrival, Verdict
from ratchet_mcp.authoring.drafts import METADATA, Texts, texts_of, without, written
from ratchet_mcp.authoring.versions import next_version
from ratchet_mcp.errors import RatchetError, TaskExists, TaskInvalid, TaskReadOnly
from ratchet_mcp.registry.sources import DATABASE
from ratchet_mcp.tasks.definition import Task

if TYPE_CHECKING:
    from ratchet_mcp.authoring.service import Authoring
    from ratchet_mcp.security.principal import Principal
    from ratchet_mcp.store.records import AuthoredTask

OnConflict = Literal["error", "skip", "overwrite", "new_version", "rename"]
"""What to do with a task whose name and version, name or UUID is taken. Tasks that are there already, to the letter, are no conflict."""
_WAYS = 'Import again with on_conflict: "skip", "overwrite", "new_version" or "rename".'


@dataclass(frozen=True, slots=True)
class _Clash:
    """What is taken: the `version` of the name, the `name` by a task with another UUID, or the `uuid` by a task with another name."""

    kind: Literal["version", "name", "uuid"]
    message: str


class Planner:
    """Plans one import: a verdict for each task, and the rows to write."""

    def __init__(self, authoring: Authoring, on_conflict: OnConflict, principal: Principal) -> None:
        self._catalog, self._authoring = authoring.catalog, authoring
        self._on_conflict, self._principal = on_conflict, principal
        self._taken: dict[str, set[str]] = {}
        self._names: dict[UUID, str] = {}
        self._uuids: dict[str, UUID] = {}

    async def plan(self, arrivals: list[Arrival]) -> tuple[list[Verdict], list[AuthoredTask]]:
        """Return a verdict for each arrival, in their order, and what is to be written when none failed."""
        verdicts: dict[int, Verdict] = {}
        records: list[AuthoredTask] = []
        groups: dict[str, list[tuple[int, Arrival, Task]]] = {}
        for number, arrival in enumerate(arrivals):
            if arrival.task is None:
                error = arrival.error or TaskInvalid("The task cannot be read.")
                verdicts[number] = Verdict(arrival.place, "failed", error=error.to_dict())
            else:
                groups.setdefault(arrival.task.name, []).append((number, arrival, arrival.task))
        for members in groups.values():
            clashes = {number: await self._clash(task) for number, _, task in members}
            new_name = self._free_name(members[0][2].name) if self._renames([*clashes.values()]) else None
            new_uuid = uuid4()
            for number, arrival, task in members:
                try:
                    verdict, record = self._one(arrival, task, clashes[number], new_name, new_uuid)
                except RatchetError as error:
                    verdict, record = Verdict(arrival.place, "failed", task.reference, error=error.to_dict()), None
                verdicts[number] = verdict
                records += [record] if record is not None else []
        return [verdicts[number] for number in range(len(arrivals))], records

    def _renames(self, clashes: list[_Clash | str | None]) -> bool:
        return self._on_conflict == "rename" and any(isinstance(each, _Clash) and each.kind != "uuid" for each in clashes)

    def _free_name(self, name: str) -> str:
        candidates = (f"{name[: 63 - len(str(number))]}-{number}" for number in count(2))
        return next(each for each in candidates if not self._catalog.versions(each) and each not in self._taken)

    # ---------------------------------------------------------------- what is taken
    async def _clash(self, task: Task) -> _Clash | str | None:
        """Return what is taken, `same` when exactly this task is there already, or None."""
        versions = self._catalog.versions(task.name)
        if task.version in versions:
            if await self._is_there(task):
                return "same"
            return _Clash("version", f"there is a task {task.reference} already, with other content")
        if versions and self._uuid_of(task.name, versions) != task.uuid:
            return _Clash("name", f"there is another task named {task.name}, with another UUID")
        holder = self._holder(task.uuid)
        if holder is not None and holder != task.name:
            return _Clash("uuid", f"its UUID {task.uuid} belongs to the task {holder}")
        return None

    async def _is_there(self, task: Task) -> bool:
        try:
            existing = await self._catalog.resolve(f"{task.name}@{task.version}", disabled=True)
        except RatchetError:
            return False
        return texts_of(existing) == texts_of(task)

    def _uuid_of(self, name: str, versions: list[str]) -> UUID:
        return self._catalog.summary(f"{name}@{versions[0]}").uuid

    def _holder(self, uuid: UUID) -> str | None:
        try:
            return self._catalog.summary(str(uuid)).name
        except RatchetError:
            return None

    # ---------------------------------------------------------------- what to do
    def _one(
        self, arrival: Arrival, task: Task, clash: _Clash | str | None, new_name: str | None, new_uuid: UUID
    ) -> tuple[Verdict, AuthoredTask | None]:
        if clash == "same":
            return Verdict(arrival.place, "unchanged", task.reference, message="it is there already"), None
        wanted = task
        if isinstance(clash, _Clash):
            if self._on_conflict == "error":
                raise TaskExists(f"{task.reference}: {clash.message}.", hint=_WAYS, details={"task": task.reference})
            if self._on_conflict == "skip":
                return Verdict(arrival.place, "skipped", task.reference, message=clash.message), None
            wanted = self._resolved(task, clash, new_uuid)
        if new_name is not None:
            wanted = replace(task, name=new_name, uuid=new_uuid)
        self._claim(wanted)
        texts = _rewritten(arrival.texts, task, wanted)
        notes = [clash.message] if isinstance(clash, _Clash) else []
        if arrival.remote and "expose" in task.metadata:
            texts = without(texts, "expose")
            notes.append("expose was taken out, because the file came over the network")
        was = task.reference if wanted.reference != task.reference else None
        verdict = Verdict(arrival.place, "imported", wanted.reference, was, "; ".join(notes) or None)
        return verdict, self._record(wanted, texts)

    def _resolved(self, task: Task, clash: _Clash, new_uuid: UUID) -> Task:
        """Return the task with the identity that it gets in place of one that is taken."""
        if clash.kind == "uuid":
            return replace(task, uuid=new_uuid)
        if self._on_conflict == "rename":
            return task
        versions = self._catalog.versions(task.name)
        uuid = self._uuid_of(task.name, versions)
        if clash.kind == "name":
            return replace(task, uuid=uuid)
        if self._on_conflict == "overwrite":
            summary = self._catalog.summary(f"{task.name}@{task.version}")
            if summary.source_kind != DATABASE:
                raise TaskReadOnly(
                    f"{task.reference} comes from the source {summary.origin}, which Ratchet does not write to.",
                    hint='Import it with on_conflict: "new_version" or "rename".',
                    details={"source": summary.origin, "task": task.reference},
                )
            return replace(task, uuid=summary.uuid)
        taken = {*versions, *self._taken.get(task.name, ())}
        return replace(task, uuid=uuid, version=next_version(versions[0], "patch", taken))

    def _claim(self, task: Task) -> None:
        """Note what this task takes; two tasks of one import must not take the same. Raises `TaskInvalid`."""
        versions = self._taken.setdefault(task.name, set())
        wrong = None
        if task.version in versions:
            wrong = f"{task.reference} is in the import twice"
        elif self._uuids.setdefault(task.name, task.uuid) != task.uuid:
            wrong = f"the versions of {task.name} in the import have different UUIDs"
        elif self._names.setdefault(task.uuid, task.name) != task.name:
            wrong = f"{task.name} and {self._names[task.uuid]} in the import have the same UUID"
        if wrong:
            raise TaskInvalid(f"{wrong}.", details={"problems": [{"file": METADATA, "message": wrong}], "location": task.location})
        versions.add(task.version)

    def _record(self, task: Task, texts: Texts) -> AuthoredTask:
        from ratchet_mcp.authoring.service import record_of

        return record_of(task, texts, self._principal)


def _rewritten(texts: Mapping[str, str], before: Task, after: Task) -> Texts:
    """Put a changed identity into the metadata; without a change all files stay to the letter."""
    identity = {"uuid": str(after.uuid), "name": after.name, "version": after.version}
    if (before.uuid, before.name, before.version) == (after.uuid, after.name, after.version):
        return dict(texts)
    return {**texts, METADATA: written({**json.loads(texts[METADATA]), **identity})}
