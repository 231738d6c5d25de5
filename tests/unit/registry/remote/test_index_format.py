"""The JSON index: what is wrong with it is told, one bad entry never hides the others."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ratchet_mcp.registry.remote.index_format import BadEntry, IndexEntry, IndexInvalid, read_entry, read_index, write_index
from ratchet_mcp.settings import Limits

GOOD: dict[str, Any] = {"name": "greet", "version": "1.0.0", "url": "greet.zip", "sha256": "0" * 64, "size": 10}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format": "ratchet-index/1", "tasks": [', "line 1"),
        ("", "not JSON"),
        ("[]", "not of type"),
        ("null", "not of type"),
        ('{"tasks": []}', "format"),
        ('{"format": "ratchet-index/2", "tasks": []}', "ratchet-index/1"),
        ('{"format": "ratchet-index/1", "tasks": {}}', "array"),
        ('{"format": "ratchet-index/1", "tasks": [], "tasks": []}', "twice"),
        ("[" * 100_000, "deep"),
        ("<!doctype html><title>Not found</title>", "not JSON"),
    ],
)
def test_a_broken_index_is_refused_as_a_whole(text: str, told: str) -> None:
    with pytest.raises(IndexInvalid, match=told):
        read_index(text.encode(), 10)


def test_an_index_with_too_many_entries_is_refused() -> None:
    with pytest.raises(IndexInvalid, match="3 tasks, and at most 2"):
        read_index(write_index([GOOD] * 3).encode(), 2)


def test_an_entry_becomes_metadata_as_the_task_itself_would() -> None:
    entry = read_entry({**GOOD, "tags": ["a"], "metadata": {"timeout_seconds": 5, "expose": "tool", "tests": []}}, 0, Limits())
    assert isinstance(entry, IndexEntry)
    assert (entry.reference, entry.metadata.tags, entry.metadata.timeout_seconds) == ("greet@1.0.0", ("a",), 5.0)
    assert entry.metadata.inline == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "../greet"}, r"\$\.tasks\[7\]\.name"),
        ({"name": "gr\u202eeet"}, "name"),
        ({"version": "1.0.x"}, "version"),
        ({"sha256": "md5"}, "sha256"),
        ({"size": -1}, "size"),
        ({"size": "10"}, "size"),
        ({"uuid": "x" * 36}, "UUID"),
        ({"url": "a\nb"}, "url"),
        ({"url": ""}, "url"),
        ({"title": "\u202egnp.exe"}, "cannot be seen"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"timeout_seconds": -1}}, "timeout_seconds"),
    ],
)
def test_a_bad_entry_is_told_by_its_place(changes: dict[str, Any], told: str) -> None:
    entry = read_entry({**GOOD, **changes}, 7, Limits())
    assert isinstance(entry, BadEntry)
    assert re.search(told, f"{entry.error.details}")
    assert entry.error.message.isprintable()
    json.dumps(entry.error.to_dict()).encode()


@pytest.mark.parametrize("raw", [None, 7, [], "x", {}, {"name": 5}])
def test_an_entry_that_is_no_entry_is_a_problem_too(raw: Any) -> None:
    assert isinstance(read_entry(raw, 0, Limits()), BadEntry)
