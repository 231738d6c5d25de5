"""Answers that a test gives in the place of a user: `mock.answers` of a test file, or of a file given with --mock-file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.violations import did_you_mean, shown

MAX_ANSWERS = 100
_KEYS = ("action", "content", "message_contains")
_ACTIONS = ("accept", "decline", "cancel")


@dataclass(frozen=True, slots=True)
class MockAnswer:
    """One answer, for the first question whose message contains `message_contains`. `place` is where it stands."""

    place: str
    action: Literal["accept", "decline", "cancel"] = "accept"
    content: dict[str, Any] | None = None
    message_contains: str = ""


def read_answers(raw: Any, file: str, path: str = "$", name: str = "mock") -> list[MockAnswer]:
    """Return the answers in a mock. Raises `TaskInvalid` that names each mistake.

    `path` is where the mock stands in the file, `name` what errors call it.
    """
    given: Any = raw.get("answers") if is_object(raw) else None
    if given is None:
        return []
    problems = Problems()
    found: list[MockAnswer] = []
    if not is_array(given) or len(given) > MAX_ANSWERS:
        problems.add(file, f"expected a list of at most {MAX_ANSWERS} answers, got {shown(given)}", path=f"{path}.answers")
    else:
        for index, each in enumerate(given):
            found.append(_read(each, file, f"{path}.answers[{index}]", f"{name}.answers[{index}]", problems))
    if problems:
        raise problems.error(f"The mocks of {file}", file)
    return found


def _read(each: Any, file: str, path: str, place: str, problems: Problems) -> MockAnswer:
    if not is_object(each):
        problems.add(file, f"an answer is an object, got {shown(each)}", path=path)
        return MockAnswer(place)
    for key in each:
        if key not in _KEYS:
            problems.add(file, f"unknown key {shown(key)}{did_you_mean(key, _KEYS)}", path=f"{path}.{key}")
    action: Any = each.get("action", "accept")
    if action not in _ACTIONS:
        problems.add(file, f"expected one of {', '.join(_ACTIONS)}, got {shown(action)}", path=f"{path}.action")
    content: Any = each.get("content")
    if content is not None and (not is_object(content) or action != "accept"):
        problems.add(file, "content is an object of values, and only an accepted question has it", path=f"{path}.content")
    words: Any = each.get("message_contains", "")
    if not isinstance(words, str):
        problems.add(file, f"expected text, got {shown(words)}", path=f"{path}.message_contains")
    return MockAnswer(place, action, content if is_object(content) else None, words if isinstance(words, str) else "")
