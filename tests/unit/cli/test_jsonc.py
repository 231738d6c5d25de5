"""Changing one member of a JSON text and nothing else."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from ratchet_mcp.cli.jsonc import Document
from ratchet_mcp.tasks.reading import ReadError

ENTRY = {"command": "x", "args": []}
SERVERS = ("mcpServers", "ratchet")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{ }",
        "{\n}",
        '{"a": 1}',
        '{"mcpServers": {}}',
        '{"mcpServers":{"other":{"command":"y"}},"z":[1,{"mcpServers":2}]}',
        '{\n\t"mcpServers": {\n\t\t"other": {"command": "}"}\n\t}\n}\n',
        '{"mcpServers": {"ratchet": null}}',
        '{"mcpServers": {"ratchet": {"command": "old"}}, "mcpServers": {"ratchet": 1}}',
        '{"a": "\\"}{,//", "b": 1e400, "c": 1.10}',
    ],
)
def test_what_is_put_is_there_and_the_rest_is_as_it_was(text: str) -> None:
    before = json.loads(text)
    after = Document(text).put(SERVERS, ENTRY)
    assert json.loads(after.text) == {**before, "mcpServers": {**before.get("mcpServers", {}), "ratchet": ENTRY}}
    assert after.put(SERVERS, ENTRY) is after


def test_every_other_character_stays() -> None:
    text = '{\n    "z": 1.10,\n    "mcpServers": {\n        "b": {"command" : "b"},\n        "a": {}\n    },\n    "e": "\\u00e9"\n}\n'
    after = Document(text).put(SERVERS, {"command": "x"}).text
    assert after == text.replace('"a": {}\n', '"a": {},\n        "ratchet": {\n            "command": "x"\n        }\n')


def test_the_text_of_a_fresh_file_is_indented() -> None:
    assert (
        Document("{}\n").put(SERVERS, {"command": "x"}).text
        == '{\n  "mcpServers": {\n    "ratchet": {\n      "command": "x"\n    }\n  }\n}\n'
    )


def test_comments_and_last_commas_stay() -> None:
    text = '// top\n{\n  /* all */ "servers": {\n    "a": {}, // the first, "a": {\n    // end\n  },\n  "inputs": [1,],\n}\n'
    after = Document(text, comments=True).put(("servers", "ratchet"), {"command": "//no comment"})
    assert after.text == text.replace("    // end\n", '    // end\n    "ratchet": {\n      "command": "//no comment"\n    }\n')
    changed = after.put(("servers", "ratchet", "command"), "new")
    assert changed.text == after.text.replace('"//no comment"', '"new"')
    assert changed.value == {"servers": {"a": {}, "ratchet": {"command": "new"}}, "inputs": [1]}


def test_a_member_after_a_comment_gets_its_comma_before_the_comment() -> None:
    after = Document('{\n  "a": 1 // one\n}', comments=True).put(("b",), 2)
    assert after.text == '{\n  "a": 1, // one\n  "b": 2\n}'
    inside = Document('{ "s": { /* none yet */ } }', comments=True).put(("s", "b"), 2)
    assert "/* none yet */" in inside.text and inside.value == {"s": {"b": 2}}


def test_line_ends_of_windows_stay() -> None:
    after = Document('{\r\n  "a": {}\r\n}\r\n').put(SERVERS, ENTRY).text
    assert after.count("\n") == after.count("\r\n") > 4
    assert json.loads(after)["mcpServers"]["ratchet"] == ENTRY


def test_one_is_not_true() -> None:
    assert json.loads(Document('{"a": 1}').put(("a",), True).text) == {"a": True}


@pytest.mark.parametrize(
    ("text", "comments", "line", "message"),
    [
        ('{"a": 1,}', False, 1, "trailing comma" if sys.version_info >= (3, 13) else "double quotes"),
        ('{"a": 1} // c', False, 1, "Extra data"),
        ('{\n "a" 1}', True, 2, "':'"),
        ("", True, 1, "Expecting value"),
        ("{'a': 1}", True, 1, "double quotes"),
        ('{"a": [1,,2]}', True, 1, "Expecting value"),
        ('{"a": 1 /* never closed', True, 1, "Expecting"),
        ("[" * 100_000, False, None, "deeply"),
    ],
)
def test_a_broken_text_is_refused_with_its_place(text: str, comments: bool, line: int | None, message: str) -> None:
    with pytest.raises(ReadError) as refused:
        Document(text, comments)
    assert refused.value.line == line and message in refused.value.message


@pytest.mark.parametrize("text", ["[]", "null", '{"mcpServers": []}', '{"mcpServers": null}', '{"mcpServers": "x"}'])
def test_what_is_no_object_is_not_replaced(text: str) -> None:
    with pytest.raises(ReadError, match="should be an object"):
        Document(text).put(SERVERS, ENTRY)


@pytest.mark.parametrize("key", ['"', "é", "a\\b", "\u2028", "a.b"])
def test_odd_keys_are_found_again(key: str) -> None:
    value: Any = {"n": [1, "x"]}
    after = Document("{}").put((key, key), value)
    assert json.loads(after.text) == {key: {key: value}}
    assert after.put((key, key), value) is after
