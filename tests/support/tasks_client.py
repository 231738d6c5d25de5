"""The client's side of the extension io.modelcontextprotocol/tasks, on the SDK's real client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import anyio
import mcp.types as t
from mcp import Client
from mcp.client import ClientExtension, ResultClaim
from mcp.client.extension import ClaimContext, NotificationBinding
from pydantic import BaseModel, ConfigDict, Field

IDENTIFIER = "io.modelcontextprotocol/tasks"
FINAL = ("completed", "failed", "cancelled")


class Handle(t.Result):
    """What a call answers that has become a task."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    ttl_ms: int | None = None
    poll_interval_ms: int | None = None
    created_at: str = ""
    last_updated_at: str = ""


class Detailed(t.Result):
    """What tasks/get answers."""

    task_id: str
    status: str
    status_message: str | None = None
    created_at: str = ""
    last_updated_at: str = ""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    input_requests: dict[str, Any] | None = None


class _Id(t.RequestParams):
    task_id: str


class _Answers(_Id):
    input_responses: dict[str, Any]


class Get(t.Request[_Id, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: _Id
    name_param = "taskId"


class Update(t.Request[_Answers, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    params: _Answers
    name_param = "taskId"


class Cancel(t.Request[_Id, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: _Id
    name_param = "taskId"


class Changed(BaseModel):
    """Parameters of notifications/tasks."""

    model_config = ConfigDict(populate_by_name=True, extra="allow")
    task_id: str = Field(alias="taskId")
    status: str


class Tasks(ClientExtension):
    """Declares the extension and follows each task to its end; `handles` are those it got, `user` answers questions."""

    identifier = IDENTIFIER

    def __init__(self, user: Callable[[Any], dict[str, Any]] | None = None) -> None:
        self.handles: list[Handle] = []
        self.seen: list[Changed] = []
        self._user = user

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Handle, resolve=self._follow)]

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        return [NotificationBinding(method="notifications/tasks", params_type=Changed, handler=self._note)]

    async def _note(self, changed: Changed) -> None:
        self.seen.append(changed)

    async def _follow(self, handle: Handle, context: ClaimContext) -> t.CallToolResult:
        self.handles.append(handle)
        detailed = await follow(context.session, handle.task_id, self._user)
        if detailed.status != "completed":
            return t.CallToolResult(content=[t.TextContent(type="text", text=detailed.status)], is_error=True)
        return t.CallToolResult.model_validate(detailed.result)


async def begin(client: Client, tool: str, arguments: dict[str, Any]) -> Handle:
    """Call a tool whose call becomes a task."""
    handle = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(handle, Handle), handle
    return handle


async def get(session: Any, task_id: str) -> Detailed:
    return cast("Detailed", await session.send_request(Get(params=_Id(task_id=task_id)), Detailed))


async def update(session: Any, task_id: str, responses: dict[str, Any]) -> None:
    await session.send_request(Update(params=_Answers(task_id=task_id, input_responses=responses)), t.EmptyResult)


async def cancel(session: Any, task_id: str) -> None:
    await session.send_request(Cancel(params=_Id(task_id=task_id)), t.EmptyResult)


async def follow(session: Any, task_id: str, user: Callable[[Any], dict[str, Any]] | None = None, until: Sequence[str] = FINAL) -> Detailed:
    """Ask for a task until it has one of some statuses; `user` answers the parameters of a question."""
    with anyio.fail_after(60):
        while True:
            detailed = await get(session, task_id)
            if detailed.status in until or detailed.status in FINAL:
                return detailed
            if detailed.input_requests and user is not None:
                await update(session, task_id, {key: user(request["params"]) for key, request in detailed.input_requests.items()})
            await anyio.sleep(0.03)
