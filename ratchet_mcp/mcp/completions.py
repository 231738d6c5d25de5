"""Completions: names and versions of tasks and ids of executions, for the templates of resources and the arguments of prompts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mcp.types import CompleteRequestParams, CompleteResult, Completion, PromptReference

from ratchet_mcp.execution.models import Status
from ratchet_mcp.mcp.prompts import FIX

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.mcp.tools.spec import RatchetSource

MAX_VALUES = 100
"""As the protocol allows."""
LOOKED_AT = 500


class Completions:
    """The handler of `completion/complete`."""

    def __init__(self, app: RatchetSource) -> None:
        self._app = app

    async def complete(self, context: ServerRequestContext[Any, Any], params: CompleteRequestParams) -> CompleteResult:
        """Return what an argument may go on with; nothing for one that we know nothing of."""
        name, typed = params.argument.name, params.argument.value
        given = (params.context.arguments if params.context else None) or {}
        if name in ("name", "task"):
            return _result(*_names(await self._app.get(), typed))
        if name == "version":
            versions = (await self._app.get()).catalog.versions(given.get("name") or given.get("task") or "")
            return _result(version for version in versions if version.startswith(typed))
        if name in ("id", "execution_id"):
            failed = isinstance(params.ref, PromptReference) and params.ref.name == FIX
            return _result(await _executions(await self._app.get(), typed, given.get("task"), failed=failed))
        return _result([])


def _names(ratchet: Ratchet, typed: str) -> tuple[list[str], int]:
    """Return names that begin as typed, then others that answer to it."""
    page = ratchet.catalog.find(query=typed or None, limit=LOOKED_AT)
    names = list(dict.fromkeys(summary.name for summary in page.tasks))
    return sorted(names, key=lambda name: (not name.startswith(typed), name)) if typed else names, page.total


async def _executions(ratchet: Ratchet, typed: str, task: str | None, *, failed: bool) -> list[str]:
    status = Status.FAILED if failed else None
    page = await ratchet.executions.find(task=task or None, status=status, limit=200)
    return [execution.id for execution in page.executions if execution.id.startswith(typed)]


def _result(values: Iterable[str], total: int | None = None) -> CompleteResult:
    found = list(values)
    total = max(len(found), total or 0)
    return CompleteResult(completion=Completion(values=found[:MAX_VALUES], total=total, has_more=total > MAX_VALUES))
