"""Webhooks: one request for each attempt, through the network's rules."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ratchet_mcp.delivery import signing
from ratchet_mcp.delivery.destinations import Basic, Destination, WebhookDestination
from ratchet_mcp.delivery.templates import TemplateStopped
from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
from ratchet_mcp.egress.redaction import Redactor
from ratchet_mcp.errors import DeliveryFailed, DeliveryRefused

if TYPE_CHECKING:
    from ratchet_mcp.delivery.outcomes import Outcome
    from ratchet_mcp.egress.secrets import RunSecrets
    from ratchet_mcp.egress.service import Egress
    from ratchet_mcp.settings import Settings

MOST_URL = 8000
LATER = (408, 425, 429)
"""Statuses below 500 after which it is tried again."""
_SAID = 300


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as far as it does not change from one try to the next. `shown` is the URL without what may be secret."""

    url: str
    body: bytes
    content_type: str
    shown: str


def prepare(destination: Destination, outcome: Outcome, settings: Settings) -> Prepared:
    """Render URL and body; takes time, so call it in a thread. Raises `DeliveryRefused`."""
    model = destination.model
    assert isinstance(model, WebhookDestination)  # noqa: S101  the caller chose by its kind
    fields = outcome.fields()
    try:
        url = destination.target.render(fields, most_bytes=MOST_URL)
        if destination.body is None:
            body, kind = _json(outcome.content(model.content)), "application/json"
        else:
            most = settings.delivery.max_bytes
            body, kind = destination.body.render(fields, most_bytes=most).encode("utf-8", "replace"), "text/plain; charset=utf-8"
    except TemplateStopped as error:
        raise DeliveryRefused(f"The request cannot be made: {error}.", details={"reason": "template"}) from None
    if len(body) > settings.delivery.max_bytes:
        message = f"The body has {len(body)} bytes; at most {settings.delivery.max_bytes} are sent (delivery.max_bytes)."
        raise DeliveryRefused(message, details={"reason": "too_large", "bytes": len(body), "maximum": settings.delivery.max_bytes})
    return Prepared(url, body, kind, Redactor(settings.network).url(url)[:2000])


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, RecursionError) as error:
        raise DeliveryRefused(f"The output cannot be written as JSON: {str(error)[:200]}.", details={"reason": "format"}) from None


async def send(destination: Destination, prepared: Prepared, outcome: Outcome, egress: Egress, settings: Settings) -> dict[str, Any]:
    """Send one request; returns the receipt `{status, bytes, seconds}`.

    Raises `DeliveryFailed` (which may say `details.retry_after_seconds`), `DeliveryRefused` and subclasses of `NetworkError`.
    """
    model = destination.model
    assert isinstance(model, WebhookDestination)  # noqa: S101  the caller chose by its kind
    secrets = egress.secrets_for(None)
    headers = _headers(model, prepared, outcome, secrets)
    if model.sign is not None:
        value = egress.secret(model.sign, prepared.url)
        headers.append((signing.HEADER, signing.sign(value, prepared.body, int(time.time()))))
    started = time.monotonic()
    response = await egress.send(
        FetchRequest(prepared.url, model.method, tuple(headers), prepared.body, redirect="manual"),
        timeout_seconds=model.timeout_seconds or settings.delivery.timeout_seconds,
        max_response_bytes=settings.network.response_bytes,
        who="The webhook",
        secrets=secrets,
    )
    _check(response, prepared.shown)
    return {"status": response.status, "bytes": len(prepared.body), "seconds": round(time.monotonic() - started, 3)}


def _headers(model: WebhookDestination, prepared: Prepared, outcome: Outcome, secrets: RunSecrets) -> list[tuple[str, str]]:
    given = {name.lower() for name in model.headers}
    headers = [] if "content-type" in given else [("Content-Type", prepared.content_type)]
    headers += [
        ("Ratchet-Delivery", outcome.key),
        ("Idempotency-Key", outcome.key),
        ("Ratchet-Event", outcome.event),
        ("Ratchet-Attempt", str(outcome.attempt)),
    ]
    headers += [(name, value if isinstance(value, str) else secrets.handle(value.secret)) for name, value in model.headers.items()]
    if model.bearer is not None:
        headers.append(("Authorization", f"Bearer {secrets.handle(model.bearer)}"))
    if model.basic is not None:
        headers.append(("Authorization", _basic(model.basic, secrets)))
    return headers


def _basic(basic: Basic, secrets: RunSecrets) -> str:
    """Return a value in which the network puts the password for its handle (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{basic.user}:{secrets.handle(basic.password)}".encode()).decode()


def _check(response: FetchResponse, shown: str) -> None:
    """Raise what the answer means, unless it is a success."""
    status = response.status
    if 200 <= status < 300:
        return
    said = " ".join(response.body[: _SAID * 4].decode("utf-8", "replace").split())[:_SAID]
    details: dict[str, Any] = {"reason": "status", "status": status}
    if said:
        details["said"] = said
    if 300 <= status < 400:
        hint = "Put the new address into the destination: what is delivered does not follow redirects."
        raise DeliveryRefused(f"{shown} redirects elsewhere ({status}).", hint=hint, details={**details, "reason": "redirect"})
    if status >= 500 or status in LATER:
        from ratchet_mcp.egress.retries import retry_after

        pause = retry_after(response.header("retry-after"))
        if pause is not None:
            details["retry_after_seconds"] = round(pause, 3)
        raise DeliveryFailed(f"{shown} answered {status}.", details=details)
    raise DeliveryRefused(f"{shown} answered {status}.", details=details)
