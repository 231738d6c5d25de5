"""`GET /health`: whether the server can run tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from ratchet_mcp import __version__
from ratchet_mcp.errors import RatchetError

if TYPE_CHECKING:
    from starlette.requests import Request

    from ratchet_mcp.lazy import LazyRatchet


def health(app: Callable[[], LazyRatchet | None]) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint: 200 when everything is up, 503 with the reason while it starts or when the start failed."""

    async def endpoint(request: Request) -> Response:
        ratchet = app()
        if ratchet is None or not ratchet.ready:
            return JSONResponse({"status": "starting", "version": __version__}, status_code=503)
        try:
            status = (await ratchet.get()).status()
        except RatchetError as error:
            return JSONResponse({"status": "failed", "version": __version__, "error": error.to_dict()}, status_code=503)
        return JSONResponse(_summary(status))

    return endpoint


def _summary(status: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": "ok",
        "version": status["version"],
        "uptime_seconds": status["uptime_seconds"],
        "isolation": status["isolation"],
        "workers": {"count": len(status["workers"]), "states": sorted(str(worker.get("state")) for worker in status["workers"])},
        "queue": status["queue"],
        "store": {key: status["store"].get(key) for key in ("backend", "durability", "pending") if key in status["store"]},
    }
