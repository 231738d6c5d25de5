"""The metadata keys `expose` and `annotations`: how a task wants to be shown as a tool of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.tasks.annotations import Annotations
from ratchet_mcp.tasks.loading import load_task


def task_with(folder: Path, **keys: Any) -> Path:
    root = folder / "greet"
    root.mkdir()
    (root / "metadata.json").write_text(json.dumps({"name": "greet", "version": "1.0.0", **keys}))
    (root / "main.js").write_text("(input) => input")
    return root


def test_a_task_asks_to_be_a_tool_and_says_how_it_behaves(tmp_path: Path) -> None:
    hints = {"title": "Greet somebody", "read_only": True, "idempotent": True, "open_world": False}
    task = load_task(task_with(tmp_path, expose="tool", annotations=hints))
    assert task.expose == "tool"
    assert task.annotations == Annotations("Greet somebody", read_only=True, idempotent=True, open_world=False)
    assert task.annotations.destructive is None


def test_a_task_that_says_nothing_is_no_tool(tmp_path: Path) -> None:
    task = load_task(task_with(tmp_path))
    assert (task.expose, task.annotations) == (None, Annotations())


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ({"expose": True}, "$.expose", '"tool"'),
        ({"expose": "prompt"}, "$.expose", '"tool"'),
        ({"exposed": "tool"}, "$.exposed", "expose"),
        ({"annotations": ["read_only"]}, "$.annotations", "an object"),
        ({"annotations": {"readOnlyHint": True}}, "$.annotations", "did you mean read_only?"),
        ({"annotations": {"colour": True}}, "$.annotations", "known are title, read_only"),
        ({"annotations": {"read_only": "yes"}}, "$.annotations", "true or false"),
        ({"annotations": {"title": ""}}, "$.annotations", "1 to 200"),
        ({"annotations": {"title": "gre\u202eet"}}, "$.annotations", "can be seen"),
        ({"annotations": {"read_only": True, "destructive": True}}, "$.annotations", "cannot be destructive"),
    ],
)
def test_a_wrong_key_is_a_problem_of_the_task(tmp_path: Path, keys: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(TaskInvalid) as caught:
        load_task(task_with(tmp_path, **keys))
    [problem] = caught.value.details["problems"]
    assert problem["path"] == path and words in problem["message"]
