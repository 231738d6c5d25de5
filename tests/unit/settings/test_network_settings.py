"""The section `network` is checked when it is loaded."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ratchet_mcp.cli.checks import network
from ratchet_mcp.settings import NetworkSettings, Settings
from ratchet_mcp.tasks.network import read_network


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "on"},
        {"allow": ["http://a.example/path"]},
        {"allow": ["a.*.example"]},
        {"allow": [""]},
        {"deny": ["a b"]},
        {"allow_private": ["a.example:99999"]},
        {"allow_private": ["[::1"]},
        {"proxy": "socks5://127.0.0.1:1"},
        {"proxy": "http://user:pw@127.0.0.1:1"},
        {"timeout_seconds": 500},
        {"secrets": [{"name": "A", "hosts": ["a.example"]}]},
        {"secrets": [{"name": "A", "env": "A", "file": "a", "hosts": ["a.example"]}]},
        {"secrets": [{"name": "A", "env": "A", "hosts": []}]},
        {"secrets": [{"name": "a-b", "env": "A", "hosts": ["a.example"]}]},
        {"verify": False},
    ],
)
def test_what_is_wrong_stops_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NetworkSettings(**settings)


def test_every_limit_is_on_by_default() -> None:
    settings = NetworkSettings()
    assert settings.mode == "public" and settings.allow_private == [] and settings.proxy is None
    assert all(
        getattr(settings, name) > 0
        for name in ("requests", "redirects", "response_bytes", "request_bytes", "total_up_bytes", "total_down_bytes")
    )


def test_hosts_of_a_task_are_checked() -> None:
    assert read_network({"allow": ["api.example.com", "*.example.org:8443"]}).allow == ("api.example.com", "*.example.org:8443")
    assert read_network({"secrets": ["API_KEY"]}).secrets == ("API_KEY",)
    assert read_network({}).allow is None and read_network({"allow": []}).allow == ()


@pytest.mark.parametrize(
    "value",
    [
        "x",
        [],
        {"alow": []},
        {"allow": "x"},
        {"allow": [1]},
        {"allow": ["http://a/b"]},
        {"allow": ["x.example"] * 101},
        {"allow_private": []},
        {"secrets": ["a-b"]},
        {"secrets": "A"},
    ],
)
def test_what_is_no_network_of_a_task_is_told(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_network(value)


@pytest.mark.parametrize(
    ("settings", "state", "word"),
    [
        ({}, "ok", "public"),
        ({"mode": "off"}, "ok", "nothing"),
        ({"mode": "open"}, "note", "this machine"),
        ({"allow_private": ["db.example:*"]}, "note", "db.example"),
    ],
)
def test_the_doctor_tells_what_tasks_reach(settings: dict[str, Any], state: str, word: str) -> None:
    check = network(Settings(network=NetworkSettings(**settings)))
    assert check.state == state and word in check.detail
