"""Collects everything that is wrong with a task, so that its author learns it in one go."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.errors import RatchetError, TaskInvalid, TaskSyntaxError

_MAX_PROBLEMS = 50


class Problems:
    """A growing list of `{file, path?, line?, column?, message}`."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, file: str, message: str, *, path: str | None = None, line: int | None = None, column: int | None = None) -> None:
        """Note one problem; what is not known is left out."""
        places = {"path": path, "line": line, "column": column}
        self.found.append({"file": file, **{key: value for key, value in places.items() if value is not None}, "message": message})

    def add_error(self, error: RatchetError, file: str) -> None:
        """Note what a `TaskInvalid` or `TaskSyntaxError` says."""
        if isinstance(error, TaskInvalid) and error.details.get("problems"):
            self.found.extend(error.details["problems"])
            return
        problem: dict[str, Any] = {"file": file}
        if isinstance(error, TaskSyntaxError):
            problem |= {key: error.details[key] for key in ("line", "column") if key in error.details}
        problem["message"] = error.message
        for key, value in (("hint", error.hint), ("frame", error.details.get("frame"))):
            if value:
                problem[key] = value
        self.found.append(problem)

    def error(self, what: str, location: str) -> TaskInvalid:
        """Return (not raise) the error that lists all of them."""
        first = self.found[0]
        place = first["file"] + (f":{first['line']}" if "line" in first else f" {first['path']}" if "path" in first else "")
        more = f" (and {len(self.found) - 1} more)" if len(self.found) > 1 else ""
        return TaskInvalid(
            f"{what} cannot be loaded: {place}: {first['message']}{more}",
            hint="Correct what details.problems lists; `ratchet validate` checks the task again.",
            details={"problems": self.found[:_MAX_PROBLEMS], "location": location},
        )
