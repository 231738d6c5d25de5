"""What a run depends on besides its code, its input and the answers to its calls: time, chance, and the order of events."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard, cast

from ratchet_mcp.errors import RecordingInvalid

EventKind = Literal["call", "timer"]
MOST_EVENTS = 20_000
MOST_NESTED = 100
"""How many runs deep the courses of called tasks are kept."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a run waited for: the answer to a call or a timer, by its number within the run, and what time it was then (ms)."""

    kind: EventKind
    number: int
    at: int


@dataclass(frozen=True, slots=True)
class Course:
    """The course that a run takes. A run with `events` repeats another one: the same times, random numbers and order of events.

    `started_ms` is what `Date.now()` says first, `seed` (32 hexadecimal digits) gives `Math.random` and `crypto`. `execution_id` is what
    the task sees in its context. `children` are the courses of the tasks that it called, in their order. While JavaScript runs, time passes
    by a millisecond for every thousand looks at the clock. A run that departs from its course goes on by the real events and clock.
    """

    started_ms: int
    seed: str
    execution_id: str | None = None
    events: tuple[Event, ...] = ()
    children: tuple[Course, ...] = ()

    @classmethod
    def fresh(cls, execution_id: str | None = None) -> Course:
        """Return a course that begins now, with a seed from the operating system."""
        return cls(int(time.time() * 1000), secrets.token_hex(16), execution_id)

    def of_child(self, number: int) -> Course:
        """Return the course of the task that is called as number so-and-so (from 0): the one it took, or one that follows from ours."""
        if number < len(self.children):
            return self.children[number]
        seed = hashlib.sha256(f"{self.seed}:{number}".encode()).hexdigest()[:32]
        return Course(int(time.time() * 1000), seed)

    def taken(self, events: tuple[Event, ...], children: tuple[Course, ...]) -> Course:
        """Return the course as the run really took it."""
        return replace(self, events=events, children=children)

    def to_dict(self) -> dict[str, Any]:
        """Return the course as JSON."""
        return {
            "started_ms": self.started_ms,
            "seed": self.seed,
            **({"execution_id": self.execution_id} if self.execution_id else {}),
            "events": [[event.kind, event.number, event.at] for event in self.events],
            **({"children": [child.to_dict() for child in self.children]} if self.children else {}),
        }

    @classmethod
    def from_dict(cls, body: Any, *, depth: int = 0) -> Course:
        """Read what `to_dict` wrote. Raises `RecordingInvalid`."""
        if not isinstance(body, dict) or depth > MOST_NESTED:
            raise RecordingInvalid("The course of a run is an object with started_ms, seed and events.")
        given = cast("dict[str, Any]", body)
        started, seed, execution_id = given.get("started_ms"), given.get("seed"), given.get("execution_id")
        if not _is_number(started):
            raise RecordingInvalid("started_ms of a recorded course is no time in milliseconds.")
        if not isinstance(seed, str) or len(seed) != 32 or not set(seed) <= set("0123456789abcdef"):
            raise RecordingInvalid("The seed of a recorded course has 32 hexadecimal digits.")
        if execution_id is not None and not isinstance(execution_id, str):
            raise RecordingInvalid("execution_id of a recorded course is text.")
        events = read_events(given.get("events", []))
        children = given.get("children", [])
        if events is None or not isinstance(children, list):
            raise RecordingInvalid("The events of a recorded course are [kind, number, milliseconds].")
        return cls(
            started, seed, execution_id, events, tuple(cls.from_dict(child, depth=depth + 1) for child in cast("list[Any]", children))
        )


def read_events(value: Any) -> tuple[Event, ...] | None:
    """Return events that were written as lists, `None` when they are none."""
    if not isinstance(value, list) or len(cast("list[Any]", value)) > MOST_EVENTS:
        return None
    events: list[Event] = []
    for item in cast("list[Any]", value):
        if not isinstance(item, list) or len(cast("list[Any]", item)) != 3:
            return None
        kind, number, at = cast("list[Any]", item)
        if kind not in ("call", "timer") or not _is_number(number) or not _is_number(at):
            return None
        events.append(Event(kind, number, at))
    return tuple(events)


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
