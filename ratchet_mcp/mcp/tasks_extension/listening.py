"""`taskIds` of subscriptions/listen: each change of a task is told to the streams that asked for it, as notifications/tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp.types import INVALID_PARAMS, SubscriptionsAcknowledgedNotification
from pydantic import BaseModel

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.hosting import sole_error
from ratchet_mcp.mcp.tasks_extension.protocol import require

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext
    from mcp.types import SubscriptionsListenRequestParams, SubscriptionsListenResult

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.mcp.tasks_extension.service import TasksExtension
    from ratchet_mcp.mcp.tools.spec import Call

Listen = Callable[["ServerRequestContext[Any, Any]", "SubscriptionsListenRequestParams"], "Awaitable[SubscriptionsListenResult]"]
MAX_TASKS = 100
"""Tasks that one stream may follow."""

MAX_FOLLOWED = 1_000
"""Tasks that all streams together may follow; further ones are left out of what is acknowledged."""

LOOK_SECONDS = 0.5
"""How often the row of a task is looked at which another process may run."""


class TaskNotification(BaseModel):
    """notifications/tasks: a task as tasks/get would tell it."""

    method: Literal["notifications/tasks"] = "notifications/tasks"
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Session:
    """A session that adds the tasks to the acknowledgement of a stream, and says when it was sent."""

    session: Any
    ids: list[str]
    acknowledged: anyio.Event

    async def send_notification(self, notification: Any, related_request_id: Any = None) -> None:
        if isinstance(notification, SubscriptionsAcknowledgedNotification):
            filter = notification.params.notifications.model_copy()
            setattr(filter, "taskIds", self.ids)  # noqa: B010  a member that the model does not declare
            notification = notification.model_copy(update={"params": notification.params.model_copy(update={"notifications": filter})})
        await self.session.send_notification(notification, related_request_id=related_request_id)
        self.acknowledged.set()


class TaskStreams:
    """Serves the streams that follow tasks."""

    def __init__(self, extension: TasksExtension, listen: Listen) -> None:
        self._extension = extension
        self._listen = listen
        self._followed: Ratchet | None = None
        self._count = 0
        self._waiting: defaultdict[str, set[anyio.Event]] = defaultdict(set)

    async def __call__(
        self, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve a stream until it closes. Tasks that are unknown, or somebody else's, are left out of what is acknowledged."""
        wanted: Any = (params.notifications.model_extra or {}).get("taskIds")
        if not wanted:
            return await self._listen(context, params)
        require(context)
        call = self._extension.call_of(context)
        ids = [id for id in _ids(wanted) if await self._extension.knows(call, id)]
        ids = ids[: max(0, MAX_FOLLOWED - self._count)]
        self._count += len(ids)
        try:
            return await self._serve(context, params, call, ids)
        finally:
            self._count -= len(ids)

    async def _serve(
        self, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams, call: Call, ids: list[str]
    ) -> SubscriptionsListenResult:
        self._follow(await call.app.get())
        session: Any = _Session(context.session, ids, anyio.Event())
        done: list[SubscriptionsListenResult] = []
        try:
            async with anyio.create_task_group() as watching:
                for id in ids:
                    watching.start_soon(self._watch, call, id, session.acknowledged)
                done.append(await self._listen(replace(context, session=session), params))
                watching.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise sole_error(group) from None
        return done[0]

    async def _watch(self, call: Call, id: str, acknowledged: anyio.Event) -> None:
        """Tell where a task stands now, and each change from then on until it has ended."""
        await acknowledged.wait()
        context = call.context
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        told: dict[str, Any] | None = None
        while True:
            change = anyio.Event()
            self._waiting[id].add(change)
            try:
                job = await self._extension.find(call, id)
                now = await self._extension.detailed(call, job)
                if now != told:
                    told = now
                    notification: Any = TaskNotification(params={**now, "_meta": meta})
                    await context.session.send_notification(notification, related_request_id=context.request_id)
                if job.status.final:
                    return
                with anyio.move_on_after(LOOK_SECONDS):
                    await change.wait()
            except MCPError:
                return  # its time is up
            except RatchetError:
                await anyio.sleep(LOOK_SECONDS)  # the store is away for a moment
            finally:
                self._waiting[id].discard(change)
                if not self._waiting[id]:
                    del self._waiting[id]

    def _follow(self, ratchet: Ratchet) -> None:
        """Hear of what changes in this process at once."""
        if self._followed is not ratchet:
            self._followed = ratchet
            ratchet.jobs.on_end(lambda job: self._wake(job.id))
            ratchet.jobs.asking.on_change(self._wake)

    def _wake(self, id: str) -> None:
        for change in self._waiting.get(id, ()):
            change.set()


def _ids(wanted: Any) -> list[str]:
    given = cast("list[Any]", wanted) if isinstance(wanted, list) else []
    if not given or len(given) > MAX_TASKS or not all(isinstance(id, str) for id in given):
        raise MCPError(code=INVALID_PARAMS, message=f"taskIds is a list of at most {MAX_TASKS} ids.")
    return list(dict.fromkeys(given))
