"""Questions of tasks on a terminal: asked on stderr, answered by lines of stdin, so that stdout has the output only."""

from __future__ import annotations

import sys
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread

from ratchet_mcp.cli.output import printable
from ratchet_mcp.execution.asking import Answer, Answers, Nobody

if TYPE_CHECKING:
    from ratchet_mcp.tasks.question import Question

NO_TERMINAL = Nobody("ratchet run-once does not run on a terminal (stdin and stderr).")
YES = frozenset({"y", "yes", "true", "1"})
NO = frozenset({"n", "no", "false", "0"})


class _Closed(Exception):
    """The user closed the input (Ctrl+D)."""


def answers_on_terminal(*, stdin_is_taken: bool = False) -> Answers:
    """Return who answers on the terminal of this process; nobody when there is none, or stdin was read as the input."""
    asks = not stdin_is_taken and sys.stdin.isatty() and sys.stderr.isatty()
    return Terminal() if asks else NO_TERMINAL


class Terminal:
    """Asks one question after the other. An empty line takes the default or leaves out what is not required; Ctrl+D ends the question."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()

    async def answer(self, question: Question, key: str) -> Answer:
        """Ask until the answer fits."""
        async with self._lock:
            try:
                return await self._ask(question)
            except _Closed:
                _tell("")
                return Answer("cancel")

    async def _ask(self, question: Question) -> Answer:
        _tell(f"? {question.message}")
        properties: dict[str, Any] = question.schema["properties"]
        if not properties:
            return Answer("accept" if await _line("  yes or no: ") in YES else "decline")
        _tell("  (Ctrl+D: no answer)")
        while True:
            content: dict[str, Any] = {}
            for name, schema in properties.items():
                value = await _value(name, schema, required=name in question.schema.get("required", []))
                if value is not None:
                    content[name] = value
            violations = question.violations(content)
            if not violations:
                return Answer("accept", content)
            for violation in violations:
                _tell(f"  {violation['path']}: {violation['message']}")


async def _value(name: str, schema: dict[str, Any], *, required: bool) -> Any:
    notes = [str(schema["description"])] if schema.get("description") else []
    choices = _choices(schema)
    notes += [", ".join(choices)] if choices else ["yes or no"] if schema["type"] == "boolean" else []
    if schema["type"] == "array":
        notes.append("several with commas")
    if "default" in schema:
        notes.append(f"default {schema['default']}")
    elif not required:
        notes.append("optional")
    told = f" ({'; '.join(notes)})" if notes else ""
    text = await _line(f"  {schema.get('title') or name}{told}: ")
    return schema.get("default") if text == "" else read_value(text, schema)


def _choices(schema: dict[str, Any]) -> list[str]:
    source: dict[str, Any] = schema.get("items", schema)
    titled: list[dict[str, str]] = source.get("oneOf") or source.get("anyOf") or []
    return [*source.get("enum", ()), *(f"{choice['const']} = {choice['title']}" for choice in titled)]


def read_value(text: str, schema: dict[str, Any]) -> Any:
    """Return what a line means as a value of a property; a line that is none stays text, which does not fit then."""
    match schema["type"]:
        case "boolean":
            return True if text.lower() in YES else False if text.lower() in NO else text
        case "integer" | "number":
            try:
                number = float(text)
            except ValueError:
                return text
            return text if not isfinite(number) else int(number) if number.is_integer() else number
        case "array":
            return [part.strip() for part in text.split(",")]
        case _:
            return text


async def _line(prompt: str) -> str:
    """Read a line without a thread where that can be done: one that waits for a line could not be ended."""
    sys.stderr.write(printable(prompt))
    sys.stderr.flush()
    if sys.platform == "win32":
        line = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    else:
        await anyio.wait_readable(cast("Any", sys.stdin))
        line = sys.stdin.readline()
    if not line:
        raise _Closed
    return line.strip()


def _tell(line: str) -> None:
    sys.stderr.write(printable(line) + "\n")
    sys.stderr.flush()
