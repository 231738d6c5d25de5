"""Answers from a recording: each request gets what it got then, in the order of then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import anyio

from ratchet_mcp.egress.har import Recorded
from ratchet_mcp.egress.matching import Difference, Seen, compare_bodies, compare_urls, similarity
from ratchet_mcp.egress.messages import FetchResponse
from ratchet_mcp.egress.recording import Recording
from ratchet_mcp.egress.redaction import Redactor
from ratchet_mcp.egress.urls import Target
from ratchet_mcp.errors import NetworkError, ReplayMissing, from_dict

Mode = Literal["replay", "replay-or-live"]
_PATIENCE_SECONDS = 1.0
"""How long an answer waits for one that came earlier in the recording; it only passes when the task has changed."""


@dataclass(slots=True)
class _Turn:
    recorded: Recorded
    used: bool = False


class Replay:
    """The recorded requests of one run, each used once. What is compared is the method, the URL and the body, redacted as they were."""

    def __init__(self, recording: Recording, redactor: Redactor, mode: Mode = "replay") -> None:
        self.mode: Mode = mode
        self.missed: list[str] = []
        """What was asked for and is not in the recording, also by tasks that the run called."""
        self._redactor = redactor
        self._turns = [_Turn(each) for each in recording.entries]
        self._given = {each.finished: anyio.Event() for each in recording.entries if each.finished is not None}

    @property
    def unused(self) -> list[str]:
        """Return the recorded requests that were not made this time."""
        return [turn.recorded.seen.name for turn in self._turns if not turn.used]

    async def answer(self, seen: Seen, target: Target) -> FetchResponse | None:
        """Return the recorded answer, or raise the recorded error; None means that the network is asked. Raises `ReplayMissing`."""
        seen = Seen(seen.method, self._redactor.url(seen.url), seen.headers, self._redactor.body(seen.body) if seen.body else seen.body)
        for turn in self._turns:
            if not turn.used and _difference(turn.recorded.seen, seen) is None:
                turn.used = True
                return await self._give(turn.recorded, target)
        if self.mode == "replay-or-live":
            return None
        missing = self._missing(seen, target)
        self.missed.append(missing.message)
        raise missing

    async def _give(self, recorded: Recorded, target: Target) -> FetchResponse | None:
        if recorded.finished is None:
            # It had not ended when the run did; neither does it now.
            await anyio.sleep_forever()
        with anyio.move_on_after(_PATIENCE_SECONDS):
            for number, given in self._given.items():
                if recorded.finished is not None and number < recorded.finished:
                    await given.wait()
        if recorded.finished is not None:
            self._given[recorded.finished].set()
        if not recorded.complete:
            message = f"The answer to {recorded.seen.name} was too large to be recorded."
            raise ReplayMissing(message, hint="Raise network.recording_mb and record again.", details={"host": target.host})
        if recorded.error is not None:
            error = from_dict(recorded.error)
            raise error if isinstance(error, NetworkError) else NetworkError(error.message, hint=error.hint, details=error.details)
        return recorded.response

    def _missing(self, seen: Seen, target: Target) -> ReplayMissing:
        details: dict[str, str | None] = {"host": target.host, "request": seen.name, "closest": None, "differs": None}
        same = [turn for turn in self._turns if _difference(turn.recorded.seen, seen) is None]
        if same:
            details |= {"closest": seen.name, "differs": "count"}
            return ReplayMissing(f"{seen.name} was recorded {len(same)} times, and the task made it once more.", details=details)
        left = [turn for turn in self._turns if not turn.used] or self._turns
        if not left:
            return ReplayMissing(f"The recording has no requests, but the task made one: {seen.name}.", details=details)
        closest = max(left, key=lambda turn: _closeness(turn.recorded.seen, seen)).recorded
        difference = _difference(closest.seen, seen)
        details |= {"closest": closest.seen.name, "differs": difference.field if difference else None}
        return ReplayMissing(
            f"{seen.name} was not recorded. The closest is number {closest.number} ({closest.seen.name}): {difference}.", details=details
        )


def _difference(recorded: Seen, seen: Seen) -> Difference | None:
    if recorded.method != seen.method:
        return Difference("method", recorded.method, seen.method)
    return compare_urls(recorded.url, seen.url) or compare_bodies(recorded.body, seen.body)


def _closeness(recorded: Seen, seen: Seen) -> float:
    same_body = compare_bodies(recorded.body, seen.body) is None
    return similarity(recorded.url, seen.url) * 4 + (recorded.method == seen.method) * 2 + same_body
