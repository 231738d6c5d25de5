"""From what a worker says about the end of a run to an error that its author understands."""

from __future__ import annotations

import re
from typing import Any, cast

from ratchet_mcp import errors
from ratchet_mcp.engine.run import RunLimits, RunRequest
from ratchet_mcp.engine.script import in_source, is_unknown
from ratchet_mcp.tasks.frame import code_frame

_FRAME = re.compile(r"^(?P<function>[^\n@]*)@main\.js:(?P<line>\d{1,9}):(?P<column>\d{1,9})$", re.MULTILINE | re.ASCII)

_UNINITIALISED = re.compile(r"can't access lexical declaration '([^']+)' before initialization")

HINTS = {
    "ConfigurationError": "The task needs something that this server does not provide.",
    "ReferenceError": "Check the spelling, and that the name is one that tasks have (no require, process, window, document).",
}


def error_of(ended: dict[str, Any], request: RunRequest) -> errors.RatchetError | None:
    """Return the error of a run, `None` when it succeeded. `ended` is untrusted: only text and numbers are taken from it."""
    error = ended.get("error")
    if isinstance(error, dict):
        return _of_error(error, request)  # pyright: ignore[reportUnknownArgumentType]
    lost = ended.get("lost")
    if isinstance(lost, list) and lost and isinstance(lost[0], dict):
        details = _details(lost[0], request)  # pyright: ignore[reportUnknownArgumentType]
        return errors.UnhandledRejection(f"A promise was rejected and nothing handled it: {_headline(lost[0])}", details=details)  # pyright: ignore[reportUnknownArgumentType]
    return None


def warnings_of(ended: dict[str, Any]) -> list[str]:
    """Return sentences about what a run left behind."""
    left = ended.get("left")
    if not isinstance(left, dict):
        return []
    found: list[str] = []
    for key, what in (("timers", "timer(s)"), ("calls", "call(s) (fetch, tasks.call)")):
        count = left.get(key)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(count, int) and count > 0:
            found.append(f"The task returned while {count} {what} were still pending; they were cancelled. Await them if they matter.")
    return found


def _of_error(error: dict[str, Any], request: RunRequest) -> errors.RatchetError:
    match error.get("kind"):
        case "output":
            kind = errors.OutputTooLarge if error.get("code") == errors.OutputTooLarge.code else errors.OutputNotSerializable
            path = _text(error, "path")[:1000] or "$"
            return kind(f"The output cannot be returned: at {path}, {_text(error, 'message')}.", details={"path": path})
        case "never_settles":
            return errors.NeverSettles("The task's promise is still pending, and no timer or call is left that could settle it.")
        case "memory":
            return memory_limit(request.limits)
        case "engine":
            return errors.WorkerCrashed(f"The engine failed during the run: {_text(error, 'message')}")
        case _:
            return _of_thrown(error, request)


def _of_thrown(error: dict[str, Any], request: RunRequest) -> errors.RatchetError:
    unknown = _UNINITIALISED.search(_text(error, "message"))
    if unknown and error.get("name") == "ReferenceError" and is_unknown(request.script, unknown[1]):
        error = {**error, "message": f"{unknown[1]} is not defined"}
    details = _details(error, request)
    where = f" ({request.file}:{details['line']}:{details['column']})" if "line" in details else ""
    if error.get("name") == "InternalError" and "too much recursion" in _text(error, "message"):
        return errors.StackOverflow(f"The task recursed too deeply{where}.", details=details)
    if error.get("name") == "SyntaxError" and error.get("file") == "main.js" and not _FRAME.search(_text(error, "stack")):
        return errors.TaskSyntaxError(f"{_headline(error)}{where}", details=details)
    return errors.TaskFailed(f"{_headline(error)}{where}", hint=_hint(details), details=details)


def _hint(details: dict[str, Any]) -> str | None:
    """Return what to do about an error: what the host said when it is one of fetch or ask."""
    kind, data = errors.CODES.get(str(details.get("code"))), details.get("data")
    if kind is not None and issubclass(kind, errors.NetworkError | errors.AskError) and isinstance(data, dict):
        hint = cast("dict[str, Any]", data).get("hint")
        if isinstance(hint, str):
            return hint[:1000]
    return HINTS.get(details["name"])


def _headline(error: dict[str, Any]) -> str:
    if error.get("primitive"):
        return f"The task threw {_text(error, 'message')}, which is not an Error"
    name, message = _text(error, "name") or "Error", _text(error, "message")
    return f"{name}: {message}" if message else name


def _details(error: dict[str, Any], request: RunRequest) -> dict[str, Any]:
    details: dict[str, Any] = {"name": _text(error, "name") or "Error", "message": _text(error, "message")}
    place, stack = _place(error, request)
    if place is not None:
        line, column = place
        details |= {"file": request.file, "line": line, "column": column}
        if request.source:
            details["frame"] = code_frame(request.source, line, column)
    if stack:
        details["stack"] = stack
    if code := _text(error, "code"):
        details["code"] = code[:200]
    if error.get("data") is not None:
        details["data"] = error["data"]
    return details


def _place(error: dict[str, Any], request: RunRequest) -> tuple[tuple[int, int] | None, list[str]]:
    """Return line and column (from 1) of the innermost frame in the task's own code, and its frames as text."""
    lines = request.source.count("\n") + 1 if request.source else 1 << 30
    found = [
        (frame["function"], *in_source(int(frame["line"]), int(frame["column"]), request.script, request.locate))
        for frame in _FRAME.finditer(_text(error, "stack"))
        if int(frame["line"]) <= lines
    ]
    line, column = _position(error.get("line")), _position(error.get("column"))
    if not found and error.get("file") == "main.js" and line:
        found.append(("", *in_source(min(line, lines), column or 1, request.script, request.locate)))
    if not found:
        return None, []
    stack = [f"{name or '<anonymous>'} ({request.file}:{line}:{column})" for name, line, column in found[:20]]
    return (found[0][1], found[0][2]), stack


def _position(value: Any) -> int:
    """Return a line or a column, 0 when it is none: a task may have made it up."""
    return int(value) if isinstance(value, int | float) and 1 <= value < 1e9 else 0


def _text(error: dict[str, Any], key: str) -> str:
    value = error.get(key)
    return value[:16_384] if isinstance(value, str) else ""


def memory_limit(limits: RunLimits) -> errors.MemoryLimit:
    """Return the error of a run that ran out of memory."""
    return errors.MemoryLimit(
        f"The run needed more than limits.memory_mb = {limits.memory_mb} MiB.",
        hint="Work on smaller pieces, or raise limits.memory_mb in the settings.",
        details={"memory_mb": limits.memory_mb},
    )


def nameless_rejection() -> errors.UnhandledRejection:
    """Return the error of a run whose unhandled rejection has a reason that the engine dies of."""
    return errors.UnhandledRejection(
        "A promise was rejected and nothing handled it. Its reason cannot be shown; it is no Error (undefined, null, a symbol, …).",
        hint="Await the promise, or add a .catch() to it, and reject with an Error.",
    )
