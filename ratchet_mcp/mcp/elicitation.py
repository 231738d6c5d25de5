"""Questions to the user through the client, in both protocol eras.

On handshake connections the server asks with a request of its own and waits. From 2026-07-28 on it cannot: the call ends with
`input_required`, and the client repeats it with the answer and our sealed state.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ratchet_mcp.mcp.results import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcp.server import ServerRequestContext
    from mcp.server.request_state import RequestStateBoundary

    from ratchet_mcp.mcp.tools.spec import Call
    from ratchet_mcp.settings import Settings

KEY = "confirm"
MAX_QUESTION = 2_000
AUDIENCE = "ratchet"
_MAKING = threading.Lock()
FORM: dict[str, Any] = {"type": "object", "properties": {KEY: {"type": "boolean", "title": "Yes, do it", "default": True}}}


class Asked(Exception):
    """Ends a call whose result is a question; `result` is that result, sealed."""

    def __init__(self, result: Any) -> None:
        super().__init__("the call ends with a question to the user")
        self.result = result


async def confirm(call: Call, message: str) -> bool | None:
    """Ask the user yes or no. `None` when the client cannot ask; no answer within `mcp.answer_seconds` is a no.

    Ask before anything is changed: in the modern era this raises `Asked`, and the tool is called again with the answer. The answer
    counts only for the same tool, arguments, principal and message. Raises `MCPError` when the state that came back is not ours.
    """
    capabilities = call.context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    if elicitation is None or (elicitation.url is not None and elicitation.form is None):
        return None
    question = printable(message)[:MAX_QUESTION]
    if call.context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return await _by_repetition(call, question)
    return await _by_request(call, question)


async def _by_request(call: Call, question: str) -> bool | None:
    with anyio.move_on_after(call.settings.mcp.answer_seconds):
        try:
            answer = await call.context.session.elicit_form(question, FORM, related_request_id=call.context.request_id)
        except (MCPError, ValidationError):
            return None
        return _agreed(answer)
    return False


async def _by_repetition(call: Call, question: str) -> bool | None:
    """Return the answer that came with the call if it is one to this question, else raise `Asked`."""
    params: Mapping[str, Any] = call.context.params or {}
    boundary = await _boundary_of(call.settings)
    state = hashlib.sha256(question.encode()).hexdigest()
    responses = cast("Mapping[str, Any]", params.get("inputResponses") or {})
    if params.get("requestState") is not None and KEY in responses:
        opened = await _through(boundary, call.context, dict(params))
        if opened == state:
            return _agreed(ElicitResult.model_validate(responses[KEY], by_name=False))
    request = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=FORM))
    asked = InputRequiredResult(input_requests={KEY: request}, request_state=state)
    fresh = {name: value for name, value in params.items() if name != "requestState"}

    async def ask(context: ServerRequestContext[Any, Any]) -> InputRequiredResult:
        return asked

    raise Asked(await boundary(replace(call.context, params=fresh), ask))


async def _through(boundary: RequestStateBoundary, context: ServerRequestContext[Any, Any], params: dict[str, Any]) -> str | None:
    """Return the state in `params` as we made it. Raises `MCPError` when it was tampered with, is too old or of another call."""
    seen: list[str] = []

    async def look(opened: ServerRequestContext[Any, Any]) -> dict[str, Any]:
        seen.append((opened.params or {})["requestState"])
        return {}

    await boundary(replace(context, params=params), look)
    return seen[0] if seen else None


def _agreed(answer: ElicitResult) -> bool:
    return answer.action == "accept" and (answer.content or {}).get(KEY, True) is True


async def _boundary_of(settings: Settings) -> RequestStateBoundary:
    """Return the boundary that seals under this server's key; the SDK's class binds method, tool, arguments, principal and time."""
    return await anyio.to_thread.run_sync(lambda: _only_one(key_file(settings)))


def _only_one(file: Path | None) -> RequestStateBoundary:
    with _MAKING:
        return _boundary(file)


@cache
def _boundary(file: Path | None) -> RequestStateBoundary:
    from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

    from ratchet_mcp.security.keys import load_or_make

    security = RequestStateSecurity.ephemeral() if file is None else RequestStateSecurity(keys=[load_or_make(file)])
    return RequestStateBoundary(security, default_audience=AUDIENCE)


def key_file(settings: Settings) -> Path | None:
    """Return where the key is kept: as the settings say, else beside the database; `None` when everything vanishes with the process."""
    if settings.mcp.state_key_file is not None:
        return settings.mcp.state_key_file.expanduser().absolute()
    from ratchet_mcp.store.location import data_file

    return data_file(settings.store.url, "request-state.key")
