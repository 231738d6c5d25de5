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
LEAST_SEAL_SECONDS, SEAL_MARGIN_SECONDS = 600.0, 120.0
"""How long a sealed state is good: as long as a question is open, and a little more."""

_MAKING = threading.Lock()
FORM: dict[str, Any] = {"type": "object", "properties": {KEY: {"type": "boolean", "title": "Yes, do it", "default": True}}}


class Asked(Exception):
    """Ends a call whose result is a question; `result` is that result, sealed."""

    def __init__(self, result: Any) -> None:
        super().__init__("the call ends with a question to the user")
        self.result = result


def can_ask(context: ServerRequestContext[Any, Any]) -> bool:
    """Tell whether the client has declared that it can put a form to its user."""
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.url is None or elicitation.form is not None)


async def confirm(call: Call, message: str) -> bool | None:
    """Ask the user yes or no. `None` when the client cannot ask; no answer within `mcp.answer_seconds` is a no.

    Ask before anything is changed: in the modern era this raises `Asked`, and the tool is called again with the answer. The answer
    counts only for the same tool, arguments, principal and message. Raises `MCPError` when the state that came back is not ours.
    """
    if not can_ask(call.context):
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
    state = hashlib.sha256(question.encode()).hexdigest()
    given = responses(call)
    if KEY in given and await unsealed(call) == state:
        return _agreed(ElicitResult.model_validate(given[KEY], by_name=False))
    request = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=FORM))
    raise await asked(call, {KEY: request}, state)


def responses(call: Call) -> Mapping[str, Any]:
    """Return what a client of 2026-07-28 answers in the call, by the keys of the questions."""
    return cast("Mapping[str, Any]", (call.context.params or {}).get("inputResponses") or {})


async def asked(call: Call, requests: dict[str, ElicitRequest], state: str) -> Asked:
    """Return what ends the call with questions; the client calls again with the answers and the sealed state."""
    result = InputRequiredResult(input_requests=dict(requests), request_state=state)
    fresh = {name: value for name, value in (call.context.params or {}).items() if name != "requestState"}
    boundary = await _boundary_of(call.settings)

    async def ask(context: ServerRequestContext[Any, Any]) -> InputRequiredResult:
        return result

    return Asked(await boundary(replace(call.context, params=fresh), ask))


async def unsealed(call: Call) -> str | None:
    """Return the state that came with the call as we made it. Raises `MCPError` when it is not ours, or of another call."""
    params = call.context.params or {}
    if params.get("requestState") is None:
        return None
    boundary = await _boundary_of(call.settings)
    seen: list[str] = []

    async def look(opened: ServerRequestContext[Any, Any]) -> dict[str, Any]:
        seen.append((opened.params or {})["requestState"])
        return {}

    await boundary(replace(call.context, params=dict(params)), look)
    return seen[0] if seen else None


def _agreed(answer: ElicitResult) -> bool:
    return answer.action == "accept" and (answer.content or {}).get(KEY, True) is True


async def _boundary_of(settings: Settings) -> RequestStateBoundary:
    """Return the boundary that seals under this server's key; the SDK's class binds method, tool, arguments, principal and time."""
    seconds = max(LEAST_SEAL_SECONDS, settings.mcp.answer_seconds + SEAL_MARGIN_SECONDS)
    return await anyio.to_thread.run_sync(lambda: _only_one(key_file(settings), seconds))


def _only_one(file: Path | None, seconds: float) -> RequestStateBoundary:
    with _MAKING:
        return _boundary(file, seconds)


@cache
def _boundary(file: Path | None, seconds: float) -> RequestStateBoundary:
    from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

    from ratchet_mcp.security.keys import load_or_make

    if file is None:
        return RequestStateBoundary(RequestStateSecurity.ephemeral(ttl=seconds), default_audience=AUDIENCE)
    security = RequestStateSecurity(keys=[load_or_make(file)], ttl=seconds)
    return RequestStateBoundary(security, default_audience=AUDIENCE)


def key_file(settings: Settings) -> Path | None:
    """Return where the key is kept: as the settings say, else beside the database; `None` when everything vanishes with the process."""
    if settings.mcp.state_key_file is not None:
        return settings.mcp.state_key_file.expanduser().absolute()
    from ratchet_mcp.store.location import data_file

    return data_file(settings.store.url, "request-state.key")
