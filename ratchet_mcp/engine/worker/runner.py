"""The message loop of a worker: one execution at a time, from its frame to its result."""

from __future__ import annotations

import json
import re
from typing import Any

from ratchet_mcp.engine.protocol import SCRIPT_CACHE
from ratchet_mcp.engine.worker.course import Course
from ratchet_mcp.engine.worker.garbage import Garbage
from ratchet_mcp.engine.worker.host import Host, copied
from ratchet_mcp.engine.worker.loop import JobQueue
from ratchet_mcp.engine.worker.realm import Realm
from ratchet_mcp.engine.worker.wire import Wire

LONE_CALL_WAIT = 3600.0
"""Seconds to wait for a host call's answer; the run's own time limit is shorter."""


class Runner:
    """Executes what the coordinator sends, until it sends `shutdown` or goes away."""

    def __init__(self, wire: Wire, host: Host, jobs: JobQueue, realm: Realm, garbage: Garbage) -> None:
        self._wire = wire
        self._host = host
        self._jobs = jobs
        self._realm = realm
        self._garbage = garbage
        self._scripts: dict[str, str] = {}

    def serve(self) -> None:
        """Answer frames until the end."""
        while True:
            frame = self._wire.receive(None)
            if frame is None:
                continue
            match frame["type"]:
                case "execute":
                    self._execute(frame)
                    self._realm.prepare()
                case "ping":
                    self._wire.send("pong", id=frame["id"])
                case "shutdown":
                    return
                case _:  # an answer to a host call of a run that has ended
                    continue

    def _script(self, frame: dict[str, Any]) -> str:
        if frame.get("forget"):
            self._scripts.clear()
        script = frame.get("script")
        if script is not None:
            if len(self._scripts) >= SCRIPT_CACHE:
                self._scripts.clear()
            self._scripts[frame["digest"]] = script
        return self._scripts[frame["digest"]]

    def _execute(self, frame: dict[str, Any]) -> None:
        limits = frame["limits"]
        course = frame.get("course")
        self._host.begin(frame["id"], limits["log_bytes"], None if course is None else Course(course["started_ms"], course["events"]))
        output: str | None = None
        ended: dict[str, Any]
        try:
            if self._realm.observe is not None:
                self._realm.observe(copied(frame["observe"]), self._script(frame))
            self._realm.start(
                self._script(frame),
                copied(frame["input"]),
                copied(frame["context"]),
                limits["output_bytes"],
                limits["input_bytes"],
                limits["fetch_bytes"],
                -1.0 if course is None else float(course["started_ms"]),
                copied("" if course is None else course["seed"]),
                copied(frame.get("secrets", "{}")),
            )
            self._until_settled(frame["id"])
            output, ended = self._end(frame["id"])
        except MemoryError:
            ended = {"error": {"kind": "memory"}}
        except Exception as error:  # the engine itself failed; the coordinator replaces this worker
            ended = {"error": {"kind": "memory" if _is_memory(str(error)) else "engine", "message": str(error)[:2000]}}
        if course is not None and self._host.course is not None:
            ended["events"] = self._host.course.taken
        self._host.end()
        self._jobs.clear()
        self._answer(frame["id"], output, ended, spent=self._garbage.after_run())

    def _until_settled(self, run: str) -> None:
        """Drain promise jobs, timers and answers until the task's result is there or can never come."""
        while True:
            self._jobs.drain()
            if self._realm.settled():
                return
            if self._host.course is not None and self._follow(run, self._host.course):
                continue
            wait = self._host.timers.wait()
            if wait is None and not self._host.calls:
                return
            frame = self._wire.receive(LONE_CALL_WAIT if wait is None else wait)
            if frame is not None and frame["type"] == "host_result" and frame["id"] == run and frame["call"] in self._host.calls:
                self._host.calls.discard(frame["call"])
                self._realm.settle(frame["call"], frame["ok"], copied(frame["value"]))
            due = self._host.timers.pop_due()
            if due is not None:
                self._realm.fire(due)

    def _follow(self, run: str, course: Course) -> bool:
        """Let the next event of a recorded course happen; tells whether there was one."""
        expected = course.expected(self._host.calls, self._host.timers)
        if expected is None:
            return False
        kind, number = expected
        if kind == "timer":
            self._host.timers.clear(number)
            self._realm.fire(number)
            return True
        frame = self._wire.receive_where(lambda frame: frame["type"] == "host_result" and frame["id"] == run and frame["call"] == number)
        self._host.calls.discard(number)
        self._realm.settle(number, frame["ok"], copied(frame["value"]))
        return True

    def _end(self, run: str) -> tuple[str | None, dict[str, Any]]:
        output = self._realm.output()
        if output is not None and self._realm.lost():
            self._wire.send("lost", id=run)  # before anything that could end this process
            for reason in self._jobs.reasons():
                self._realm.report(reason)
        ended = self._realm.end()
        return output, json.loads(ended) if ended else {}

    def _answer(self, run: str, output: str | None, ended: dict[str, Any], *, spent: bool) -> None:
        error = ended.get("error")
        if error is not None and _ran_out(error):
            error["kind"] = "memory"
        broken = error is not None and error["kind"] in ("memory", "engine")
        self._wire.send("result", id=run, output=output if error is None else None, ended=ended, recycle=broken or spent)


def _is_memory(message: str) -> bool:
    return "out of memory" in message.lower()


def _ran_out(error: dict[str, Any]) -> bool:
    """Tell whether what the task saw thrown is the engine's way to say that there is no memory left."""
    message = str(error.get("message", ""))
    if error.get("primitive"):
        return message == '"out of memory"'
    return error.get("name") in ("InternalError", "RangeError") and bool(
        re.search(r"out of memory|allocation size overflow|array buffer allocation failed", message)
    )
