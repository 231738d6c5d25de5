"""The one shape of an HTTP error: `{"error": {"code", "message", "retryable", "hint"?, "details"?}}`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from loguru import logger
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ratchet_mcp.errors import InternalError, RatchetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

HINTS = {
    404: "Routes are /mcp, /sse, /messages/ and /health.",
    405: "See the Allow header for the methods of this route.",
}


def error_response(status: int, code: str, message: str, hint: str | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error of the HTTP face itself, which has no class of its own."""
    body: dict[str, Any] = {"code": code, "message": message, "retryable": status == HTTPStatus.SERVICE_UNAVAILABLE}
    if hint:
        body["hint"] = hint
    return JSONResponse({"error": body}, status_code=status, headers=headers)


def ratchet_error_response(error: RatchetError) -> JSONResponse:
    """Return a `RatchetError` with its own HTTP status."""
    return JSONResponse({"error": error.to_dict()}, status_code=error.http_status)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    headers = dict(error.headers or {})
    return error_response(status, code, f"{request.method} {request.url.path}: {HTTPStatus(status).phrase}.", HINTS.get(status), headers)


async def _ratchet_error(request: Request, error: Exception) -> Response:
    return ratchet_error_response(error if isinstance(error, RatchetError) else InternalError("Internal error."))


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.opt(exception=error).error("{} {} failed", request.method, request.url.path)
    return ratchet_error_response(InternalError("The request failed on a defect of the server.", hint="Its log has the details."))


HANDLERS: dict[Any, Callable[[Request, Exception], Response | Awaitable[Response]]] = {
    HTTPException: _http_error,
    RatchetError: _ratchet_error,
    Exception: _unexpected,
}
