"""The few Python functions that the realm's own JavaScript may call.

None is ever handed to a task: each lives in a closure of `realm/*.js`, takes and returns strings or numbers, and never raises (an
exception would cross into JavaScript with a Python object inside).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

from ratchet_mcp.engine.worker.course import Course
from ratchet_mcp.engine.worker.timers import Timers
from ratchet_mcp.engine.worker.wire import CoordinatorGone, Wire

PROGRESS_INTERVAL = 0.02
"""Progress reports that come faster than this (seconds) are merged into the latest."""


COPIED = "\U0001f4cb"
"""Ends a text that the core shall copy into JavaScript, see `copied`; `own` in realm/boot.js takes it off again."""


def copied(text: str) -> str:
    """Make the core copy a short text.

    It lends others to JavaScript, and gives each back in time that grows with the number of all that are lent: twenty thousand block the
    next garbage collection for 15 s. A text with a character beyond 16 bits cannot be lent.
    """
    return text + COPIED if len(text) < 1 << 16 or text.endswith(COPIED) else text


class Host:
    """The state of the run under way, as the host side sees it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.timers = Timers()
        self.run: str | None = None
        self.calls: set[int] = set()
        self.course: Course | None = None
        self._log_bytes = 0
        self._log_limit = 0
        self._progress_at = 0.0
        self._progress_held: str | None = None

    def begin(self, run: str, log_limit: int, course: Course | None = None) -> None:
        """Start accounting for a run; one with a `course` is recorded or repeated."""
        self.run = run
        self.course = course
        self._log_bytes, self._log_limit = 0, log_limit
        self._progress_at, self._progress_held = 0.0, None
        self.calls.clear()
        self.timers.reset()

    def end(self) -> None:
        """Send what was held back and forget the run."""
        if self._progress_held is not None and self.run is not None:
            self._wire.send("progress", id=self.run, at=time.time(), value=self._progress_held)
        self._progress_held = None
        self.run = None
        self.calls.clear()
        self.timers.reset()

    # -------------------------------------------------- called from the realm
    def log(self, level: str, message: str) -> None:
        """Send a console line, or say once that there were too many."""
        if self.run is None or self._log_bytes > self._log_limit:
            return
        self._log_bytes += len(message) + 1
        if self._log_bytes > self._log_limit:
            self._wire.send("limit", id=self.run, code="log_limit")
        else:
            self._wire.send("log", id=self.run, at=time.time(), level=level, message=message)

    def progress(self, value: str) -> None:
        """Send a progress report (JSON text), not more often than every `PROGRESS_INTERVAL`."""
        if self.run is None:
            return
        now = time.monotonic()
        if now - self._progress_at < PROGRESS_INTERVAL:
            self._progress_held = value
            return
        self._progress_at, self._progress_held = now, None
        self._wire.send("progress", id=self.run, at=time.time(), value=value)

    def call(self, call: float, method: str, arguments: str) -> None:
        """Ask the coordinator for something; `settle` of the realm gets the answer."""
        if self.run is not None:
            self.calls.add(int(call))
            self._wire.send("host_call", id=self.run, call=int(call), method=method, arguments=arguments)

    def cancel(self, call: float) -> None:
        """Tell the coordinator that nobody waits for an answer any more."""
        if self.run is not None and int(call) in self.calls:
            self.calls.discard(int(call))
            self._wire.send("host_cancel", id=self.run, call=int(call))

    def wait(self, call: float) -> str:
        """Block until a call is answered: `+` and the value, or `-` and the error, as JSON text; empty when no answer can come.

        Nothing else happens in this worker meanwhile; the coordinator kills it when the run is out of time.
        """
        run, number = self.run, int(call)
        if run is None or number not in self.calls:
            return ""
        frame = self._wire.receive_where(lambda frame: frame["type"] == "host_result" and frame["id"] == run and frame["call"] == number)
        self.calls.discard(number)
        return copied(("+" if frame["ok"] else "-") + frame["value"])

    def happens(self, kind: str, number: float) -> float:
        """Note an event of a run with a course; returns what time it is, in milliseconds."""
        return 0.0 if self.course is None else float(self.course.happens(kind, int(number)))

    def observed(self, what: str, value: str) -> None:
        """Send what the debugger saw (JSON text); only debugging workers call this."""
        if self.run is not None:
            self._wire.send("observed", id=self.run, what=what, value=value)

    def start_timer(self, identity: float, delay_ms: float) -> None:
        """Start a timer; `fire` of the realm is called when it is due."""
        if self.run is not None:
            self.timers.start(int(identity), delay_ms)

    def clear_timer(self, identity: float) -> None:
        """Stop a timer."""
        self.timers.clear(int(identity))

    def random(self, count: float) -> str:
        """Return that many random bytes from the operating system, as hexadecimal digits."""
        return copied(os.urandom(int(count)).hex())

    def functions(self, parse_url: Callable[..., str], queued: Callable[[], int]) -> list[Callable[..., Any]]:
        """Return the functions in the order in which `realm/boot.js` takes them, each made unable to raise."""
        ours = [self.log, self.progress, self.call, self.start_timer, self.clear_timer, self.random, parse_url, queued, self.observed]
        ours += [self.cancel, self.wait, to_utf8, from_utf8, self.happens]
        return [_unraising(function) for function in ours]


def _unraising(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, TypeError, OverflowError, MemoryError, UnicodeError):
            return None
        except (CoordinatorGone, OSError):  # nobody is left to work for
            os._exit(0)

    return guarded


def to_utf8(text: str) -> str:
    """Return the UTF-8 bytes of a well-formed text, as base64."""
    return copied(base64.b64encode(text.encode()).decode("ascii"))


def from_utf8(encoded: str) -> str:
    """Return the text that bytes in base64 are; what is no UTF-8 becomes U+FFFD, as the Encoding standard has it."""
    return copied(base64.b64decode(encoded).decode("utf-8", "replace"))


def parse_url(url: str, base: str, changed: str, value: str) -> str:
    """Parse a URL after the WHATWG standard (with `base` unless empty), set one component if `changed` names it.

    Returns the components as a JSON object, or an empty string when the URL is not valid.
    """
    from ada_url import URL

    try:
        parsed = URL(url, base) if base else URL(url)
    except ValueError:
        return ""
    if changed:
        with contextlib.suppress(ValueError):  # a setter ignores what it cannot take
            setattr(parsed, changed, value)
    names = ("href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash")
    return copied(json.dumps({name: getattr(parsed, name) for name in names}))
