"""get_status(include=["http"]): what became of the requests of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.mcp.tools.status import GetStatus, get_status

FETCHES = [{"number": number, "method": "GET", "url": f"https://a.example/{number}", "status": 200} for number in range(1, 81)]


async def shown(fetches: list[dict[str, Any]], characters: int = 40_000, **arguments: Any) -> dict[str, Any]:
    execution = Execution("e-1", "t", "1.0.0", Status.COMPLETED, Origin.MCP, "local", datetime.now(UTC), output=1, http=fetches)

    async def get(_: str) -> Execution:
        return execution

    async def logs(*_: Any) -> list[Any]:
        return []

    async def app() -> Any:
        replays = SimpleNamespace(report_of=lambda _: None)
        return SimpleNamespace(executions=SimpleNamespace(get=get, logs=logs, handle=lambda _: None), replays=replays)

    call: Any = SimpleNamespace(app=SimpleNamespace(get=app), characters=characters)
    return (await get_status(call, GetStatus(id="e-1", **arguments)))["structuredContent"]


async def test_get_status_shows_the_fetches_when_asked() -> None:
    view = await shown(FETCHES[:2], include=["http", "output"])
    assert view["http"] == FETCHES[:2]
    assert view["http_total"] == 2
    assert "next_offset" not in view
    assert "http" not in await shown(FETCHES)


async def test_many_fetches_come_in_pages() -> None:
    seen, offset = [], 0
    while offset is not None:
        view = await shown(FETCHES, include=["http"], offset=offset, limit=30)
        seen += view["http"]
        offset = view.get("next_offset")
    assert seen == FETCHES


async def test_fetches_that_do_not_fit_are_left_for_the_next_page() -> None:
    view = await shown(FETCHES, characters=1_000, include=["http"])
    assert 1 <= len(view["http"]) == view["next_offset"] < 50
