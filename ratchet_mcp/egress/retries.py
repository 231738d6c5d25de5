"""Which requests are tried again, how often, and after which pause."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, cast

import stamina

from ratchet_mcp.egress.failures import PASSING
from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
from ratchet_mcp.egress.preparing import Outgoing
from ratchet_mcp.errors import InvalidFetch, NetworkFailed
from ratchet_mcp.settings.network import NetworkSettings
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import shown

STATUSES = frozenset({408, 425, 429, 502, 503, 504})
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "QUERY", "SEARCH", "REPORT"})
MAX_RETRIES = 10
_KEYS = ("retries", "statuses", "methods")


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """How often one request is tried again (`retries`), and for which statuses."""

    retries: int
    statuses: frozenset[int]
    wait_seconds: float
    max_wait_seconds: float


def read_retry(request: FetchRequest, outgoing: Outgoing, settings: NetworkSettings) -> RetryPlan:
    """Return the plan for a request. Raises `InvalidFetch`.

    The option `retry` is false, a number of further tries, or `{retries?, statuses?, methods?}`; a method named there counts as idempotent.
    """
    options = _options(request.retry, outgoing)
    retries = options.get("retries", settings.retries)
    statuses: Any = options.get("statuses", STATUSES)
    methods: Any = options.get("methods", ())
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= MAX_RETRIES:
        raise _invalid(outgoing, f"retry.retries is a number from 0 to {MAX_RETRIES}, not {shown(retries)}")
    if not isinstance(statuses, frozenset) and not _all(statuses, lambda each: isinstance(each, int) and 400 <= each <= 599):
        raise _invalid(outgoing, f"retry.statuses is a list of statuses from 400 to 599, not {shown(statuses)}")
    if methods != () and not _all(methods, lambda each: isinstance(each, str)):
        raise _invalid(outgoing, f"retry.methods is a list of methods, not {shown(methods)}")
    idempotent = outgoing.method in IDEMPOTENT or outgoing.method in methods or outgoing.header("idempotency-key") is not None
    return RetryPlan(
        retries=retries if idempotent else 0,
        statuses=frozenset(cast("list[int]", statuses)),
        wait_seconds=settings.retry_wait_seconds,
        max_wait_seconds=settings.retry_max_wait_seconds,
    )


def _options(value: Any, outgoing: Outgoing) -> dict[str, Any]:
    if value is None or value is True:
        return {}
    if value is False:
        return {"retries": 0}
    if isinstance(value, int):
        return {"retries": value}
    if not is_object(value) or not all(key in _KEYS for key in value):
        raise _invalid(outgoing, f"retry is false, a number, or an object with {', '.join(_KEYS)}, not {shown(value)}")
    return value


def _all(value: Any, right: Callable[[Any], bool]) -> bool:
    return is_array(value) and all(right(each) for each in value)


def _invalid(outgoing: Outgoing, message: str) -> InvalidFetch:
    return InvalidFetch(f"{message}.", details={"host": outgoing.target.host, "field": "retry"})


class _Again(Exception):
    """Another try may help; carries what this one gave."""

    def __init__(self, outcome: FetchResponse | NetworkFailed, pause: float | None) -> None:
        super().__init__()
        self.outcome, self.pause = outcome, pause


async def with_retries(
    plan: RetryPlan,
    deadline: float,
    send: Callable[[], Awaitable[FetchResponse]],
    on_retry: Callable[[], None],
    at_once: Callable[[], bool] = lambda: False,
) -> FetchResponse:
    """Send until it works, the plan is used up, or no time is left for a pause. Raises what the last try and `on_retry` raise.

    There are no pauses while `at_once` says so.
    """

    def again(error: Exception) -> bool | float:
        """Tell stamina whether to try again, and after which pause when it is not the usual one."""
        if not isinstance(error, _Again):
            return False
        pause = error.pause or 0.0
        if pause > plan.max_wait_seconds or time.monotonic() + pause >= deadline:
            return False
        if at_once():
            return 0.0
        return True if error.pause is None else pause + random.uniform(0, min(0.1, plan.wait_seconds))  # noqa: S311  jitter needs no secrecy

    tries = stamina.retry_context(
        on=again,
        attempts=plan.retries + 1,
        timeout=None,
        wait_initial=plan.wait_seconds / 2,
        wait_jitter=plan.wait_seconds / 2,
        wait_max=plan.max_wait_seconds,
    )
    try:
        async for attempt in tries:
            with attempt:
                if attempt.num > 1:
                    on_retry()
                return await _one_try(plan, send)
    except _Again as last:
        if isinstance(last.outcome, NetworkFailed):
            raise last.outcome from None
        return last.outcome
    raise AssertionError("the loop returns or raises")  # pragma: no cover


async def _one_try(plan: RetryPlan, send: Callable[[], Awaitable[FetchResponse]]) -> FetchResponse:
    try:
        response = await send()
    except NetworkFailed as error:
        if error.details.get("reason") in PASSING:
            raise _Again(error, None) from None
        raise
    if response.status in plan.statuses:
        raise _Again(response, retry_after(response.header("retry-after")))
    return response


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), or None."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
