"""Results in their wire shape, errors for people and models, and outputs that are too long."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.errors import InputInvalid, TaskFailed, TaskNotFound
from ratchet_mcp.mcp.long_output import lines_that_fit, page_of_output, with_output
from ratchet_mcp.mcp.results import describe, from_error, success

BUDGET = 2_000
VIEW = {"execution_id": "e-1", "status": "completed"}


def texts(result: dict[str, Any]) -> list[str]:
    return [block["text"] for block in result["content"]]


@pytest.mark.parametrize("value", [{"a": 1}, {"text": "ünï 😀"}, {"big": 10**30}, {"lone": "x\ud800y"}, {"nul": "\x00"}])
def test_the_text_mirrors_the_structure_and_can_be_written(value: dict[str, Any]):
    result = success(value)
    (text,) = texts(result)
    assert json.loads(text) == result["structuredContent"]
    text.encode()
    json.dumps(result["structuredContent"], ensure_ascii=False).encode()


def test_an_error_is_told_to_the_reader_first_and_to_the_program_second():
    result = from_error(TaskNotFound("There is no task word-cont.", details={"suggestions": ["word-count"]}))
    assert result["isError"] is True
    first, second = texts(result)
    assert first == ("task_not_found: There is no task word-cont.\nNear names: word-count\nWhat to do: Call list_tasks to see the names.")
    assert json.loads(second) == result["structuredContent"]
    assert result["structuredContent"]["error"]["code"] == "task_not_found"


def test_a_failed_task_is_told_with_place_and_code_frame():
    frame = "> 3 | null.x\n    |      ^"
    error = TaskFailed("TypeError: null has no properties", details={"line": 3, "column": 6, "frame": frame})
    assert describe(error.to_dict()) == f"task_error: TypeError: null has no properties\nat main.js:3:6\n{frame}"


def test_violations_are_listed_by_path():
    violations = [{"path": "$.n", "message": "5 is not of type string", "keyword": "type"}]
    assert "- $.n: 5 is not of type string" in describe(
        InputInvalid("The input does not match.", details={"violations": violations}).to_dict()
    )


def test_what_is_long_in_an_error_is_cut():
    error = TaskFailed("x" * 100_000, details={"stack": "y" * 100_000, "many": list(range(1000))})
    result = from_error(error)
    assert sum(len(text) for text in texts(result)) < 25_000


def test_an_output_that_fits_is_whole():
    result = with_output(VIEW, {"n": 1}, BUDGET)
    assert result["structuredContent"] == {**VIEW, "output": {"n": 1}}
    assert len(texts(result)) == 1


@pytest.mark.parametrize(
    "output", ["x" * 50_000, list(range(20_000)), {"quotes": '"' * 30_000}, "😀" * 9_000], ids=["text", "list", "quotes", "wide"]
)
def test_a_long_output_is_cut_to_a_head_that_says_where_the_rest_is(output: Any):
    result = with_output(VIEW, output, BUDGET)
    structured = result["structuredContent"]
    assert "output" not in structured
    assert structured["output_truncated"] is True
    assert structured["output_bytes"] == len(json.dumps(output, ensure_ascii=False, separators=(",", ":")).encode())
    assert sum(len(text) for text in texts(result)) <= BUDGET
    assert 'get_status(id="e-1", include=["output"], offset=' in texts(result)[1]
    assert "execution://e-1/output" in texts(result)[1]


@pytest.mark.parametrize("output", ["plain " * 3_000, '"\\' * 5_000, {"wide": "😀" * 5_000}], ids=["plain", "escapes", "wide"])
def test_the_pages_of_an_output_put_together_are_its_json_text(output: Any):
    whole, offset = "", 0
    while True:
        page = page_of_output(VIEW, output, offset, None, BUDGET)
        assert len(texts(success(page))[0]) <= BUDGET
        whole += page["output_text"]
        if "next_offset" not in page:
            break
        offset = page["next_offset"]
    assert json.loads(whole) == output


def test_a_page_past_the_end_is_empty():
    assert page_of_output(VIEW, "short", 1_000, 10, BUDGET)["output_text"] == ""


def test_lines_are_taken_from_the_wanted_end_until_they_fill_the_room():
    lines = [LogLine(number, 0.0, "info", f"line {number} " + "." * 50) for number in range(100)]
    assert [line["message"][:7] for line in lines_that_fit(lines, 320, newest=False)] == ["line 0 ", "line 1 ", "line 2 "]
    assert [line["message"][:7] for line in lines_that_fit(lines, 320, newest=True)] == ["line 97", "line 98", "line 99"]


def test_one_huge_line_is_cut_but_shown():
    (line,) = lines_that_fit([LogLine(0, 0.0, "warn", "z" * 1_000_000)], 100, newest=True)
    assert len(line["message"]) < 3_000
