"""The worker's end of the pipe: frames in, frames out."""

from __future__ import annotations

import json
import os
import select
from collections import deque
from collections.abc import Callable
from typing import Any

from ratchet_mcp.engine.protocol import VERSION

_encode = json.JSONEncoder(separators=(",", ":")).encode


class CoordinatorGone(Exception):
    """The coordinator closed the pipe."""


class Wire:
    """Line-delimited JSON on two descriptors. Reading may wait; writing blocks until the pipe takes it."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._partial: list[bytes] = []
        self._frames: deque[dict[str, Any]] = deque()

    def receive(self, timeout: float | None) -> dict[str, Any] | None:
        """Return the next frame; `None` when `timeout` seconds (None: for ever) passed without one."""
        while not self._frames:
            if timeout is not None:
                ready, _, _ = select.select([self._reader], [], [], max(timeout, 0))
                if not ready:
                    return None
            self._read()
        return self._frames.popleft()

    def receive_where(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for the frame that `wanted` accepts and leave the others queued in their order."""
        skipped: list[dict[str, Any]] = []
        while True:
            frame = self.receive(None)
            if frame is not None and wanted(frame):
                self._frames.extendleft(reversed(skipped))
                return frame
            if frame is not None:
                skipped.append(frame)

    def _read(self) -> None:
        chunk = os.read(self._reader, 1 << 16)
        if not chunk:
            raise CoordinatorGone
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join((*self._partial, lines[0]))
            self._partial = []
            self._frames.extend(json.loads(line) for line in lines)
        if rest:
            self._partial.append(rest)

    def send(self, kind: str, **fields: Any) -> None:
        """Send one frame."""
        data = memoryview(_encode({"v": VERSION, "type": kind, **fields}).encode("ascii") + b"\n")
        while data:
            data = data[os.write(self._writer, data) :]
