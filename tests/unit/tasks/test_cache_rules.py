"""What a task may say of its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from task_folders import add_task

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.caching import CacheRules, read_cache
from ratchet_mcp.tasks.loading import load_task


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ({"ttl": 60}, CacheRules(60.0)),
        ({"ttl": "90s"}, CacheRules(90.0)),
        ({"ttl": "1h", "key": ["/b", "/a/0", "/b"]}, CacheRules(3600.0, ("/a/0", "/b"))),
        ({"ttl": "365d"}, CacheRules(365 * 86400.0)),
        ({"ttl": 0.5, "key": None}, CacheRules(0.5)),
    ],
    ids=str,
)
def test_rules_are_read(given: Any, rules: CacheRules) -> None:
    assert read_cache(given) == rules


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("1h", "expected an object"),
        ({}, "cache.ttl is missing"),
        ({"ttl": 0}, "more than 0"),
        ({"ttl": -1}, "cache.ttl must be a number of seconds"),
        ({"ttl": "soon"}, "cache.ttl must be a number of seconds"),
        ({"ttl": True}, "cache.ttl must be a number of seconds"),
        ({"ttl": "366d"}, "at most"),
        ({"ttl": 1, "key": []}, "1 to 32 JSON Pointers"),
        ({"ttl": 1, "key": "/a"}, "1 to 32 JSON Pointers"),
        ({"ttl": 1, "key": ["city"]}, 'cache.key holds "city"'),
        ({"ttl": 1, "key": [5]}, "cache.key holds 5"),
        ({"ttl": 1, "keys": ["/a"]}, 'did you mean "key"'),
    ],
    ids=str,
)
def test_wrong_rules_say_what_is_wrong(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_cache(given)
    assert message in str(refused.value)


def test_a_task_with_wrong_rules_does_not_load_and_names_the_place(tmp_path: Path) -> None:
    add_task(tmp_path, "task", name="task", version="1.0.0", cache={"ttl": "often"})
    with pytest.raises(TaskInvalid) as refused:
        load_task(tmp_path / "task", limits=Limits())
    [problem] = refused.value.details["problems"]
    assert (problem["file"], problem["path"]) == ("metadata.json", "$.cache")


def test_a_task_with_rules_has_them(tmp_path: Path) -> None:
    add_task(tmp_path, "task", name="task", version="1.0.0", cache={"ttl": "1h"})
    assert load_task(tmp_path / "task", limits=Limits()).cache == CacheRules(3600.0)
