"""Destinations as users write them: everything wrong is told at once, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.delivery.checks import Checks
from ratchet_mcp.errors import DeliveryInvalid
from ratchet_mcp.settings import DeliverySettings, NetworkSettings, SecretSettings, Settings

ROOT = Path("/srv/reports")
SECRETS = [SecretSettings(name="HOOK", env="HOOK", hosts=["hooks.example.com"])]
HOOK = {"type": "webhook", "url": "https://hooks.example.com/in/{{ task.name }}"}


def checks(roots: list[Path] | None = None, **network: Any) -> Checks:
    settings = Settings(
        delivery=DeliverySettings(roots=[ROOT] if roots is None else roots), network=NetworkSettings(secrets=SECRETS, **network)
    )
    return Checks(settings)


def problems(value: Any, **options: Any) -> dict[str, str]:
    with pytest.raises(DeliveryInvalid) as refused:
        checks(**options).read(value, where="delivery")
    return {problem["path"]: problem["message"] for problem in refused.value.details["problems"]}


def test_files_and_webhooks_are_read() -> None:
    read = checks().read(
        [
            {"type": "file", "path": "{{ task.name }}/{{ date }}.csv", "exists": "append", "events": "both", "mode": "0600"},
            {**HOOK, "sign": "HOOK", "basic": {"user": "ratchet", "password": "HOOK"}, "headers": {"X-Key": {"secret": "HOOK"}}},
        ],
        where="delivery",
    )
    assert [each.kind for each in read] == ["file", "webhook"]
    assert read[0].wants("failed") and not read[1].wants("failed")


def test_one_destination_needs_no_list() -> None:
    assert len(checks().read({"type": "file", "path": "a.json"}, where="delivery")) == 1


@pytest.mark.parametrize(
    ("file", "key", "told"),
    [
        ({"path": "../a.json"}, "path", "does not go up"),
        ({"path": "a/../../b.json"}, "path", "does not go up"),
        ({"path": "a/./b.json"}, "path", "does not go up"),
        ({"path": "/etc/a.json"}, "path", "counts from a root"),
        ({"path": "~/a.json"}, "path", "counts from a root"),
        ({"path": "C:\\a.json"}, "path", "counts from a root"),
        ({"path": "a\\b.json"}, "path", "separated by /"),
        ({"path": "a\0b.json"}, "path", "no NUL"),
        ({"path": "a//b.json"}, "path", "it is empty"),
        ({"path": "a/"}, "path", "names no file"),
        ({"path": "a/NUL.json"}, "path", "name of a device"),
        ({"path": "com1/a.json"}, "path", "name of a device"),
        ({"path": "x" * 300 + ".json"}, "path", "longer than 240 bytes"),
        ({"path": "{{ task.nam }}.json"}, "path", "task has no member nam"),
        ({"path": "a.doc"}, "format", "the extension tells no format"),
        ({"path": "a.json", "format": "xml"}, "format", "'json'"),
        ({"path": "a.json", "exists": "append"}, "exists", "cannot be appended to"),
        ({"path": "a.json", "mode": 640}, "mode", "octal digits"),
        ({"path": "a.json", "mode": "0444"}, "mode", "add 0600"),
        ({"path": "a.json", "mode": "4755"}, "mode", "octal digits"),
        ({"path": "a.json", "root": "/etc"}, "root", "none of the roots"),
        ({"path": "a.txt", "template": "{{ output"}, "template", "unexpected end"),
        ({"path": "a.json", "format": "json", "template": "x"}, "template", "a template makes text"),
        ({"path": "a.txt", "format": "text"}, "template", "needs a template"),
        ({"path": "a.json", "pathh": "x"}, "pathh", 'did you mean "path"?'),
        ({"path": "a.json", "events": "sometimes"}, "events[0]", "'completed' or 'failed'"),
        ({"path": "a.json", "attempts": 0}, "attempts", "greater than or equal to 1"),
        ({}, "path", "path is required"),
    ],
    ids=range(28),
)
def test_a_file_that_cannot_be_is_refused(file: dict[str, Any], key: str, told: str) -> None:
    assert told in problems([{"type": "file", **file}])[f"$[0].{key}"]


def test_without_roots_no_file_is_taken() -> None:
    assert "delivery.roots" in problems([{"type": "file", "path": "a.json"}], roots=[])["$[0].path"]


@pytest.mark.parametrize(
    ("hook", "key", "told"),
    [
        ({"url": "http://127.0.0.1/"}, "url", "no public address"),
        ({"url": "http://2130706433/"}, "url", "no public address"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url", "no public address"),
        ({"url": "http://169.254.169.254/latest"}, "url", "no public address"),
        ({"url": "http://localhost:8080/"}, "url", "names this machine"),
        ({"url": "http://example.com:25/"}, "url", "belongs to another protocol"),
        ({"url": "ftp://example.com/"}, "url", "begins with http"),
        ({"url": "https://{{ output.host }}/x"}, "url", "no template can give"),
        ({"url": "https://example.com{{ output.host }}/x"}, "url", "no template can give"),
        ({"url": "https://user:word@example.com/"}, "url", "user name or password"),
        ({"url": "https://example.com/?api_key=abc"}, "url", "a credential stands in the URL"),
        ({"url": "https://example.com/{{ nobody }}"}, "url", "there is no field nobody"),
        ({"body": "{{ task.x }}"}, "body", "task has no member x"),
        ({"method": "GET"}, "method", "'POST', 'PUT' or 'PATCH'"),
        ({"bearer": "HOOKS"}, "bearer", 'there is no secret HOOKS in network.secrets (did you mean "HOOK"?)'),
        ({"url": "https://example.com/", "sign": "HOOK"}, "sign", "may be sent to hooks.example.com"),
        ({"basic": {"user": "u", "password": "NOBODY"}}, "basic.password", "there is no secret NOBODY"),
        ({"headers": {"X-A": {"secret": "NOBODY"}}}, 'headers["X-A"]', "there is no secret NOBODY"),
        ({"headers": {"Authorization": "Bearer abc"}}, "headers.Authorization", "is named, not written"),
        ({"headers": {"X-Api-Key": "abc"}}, 'headers["X-Api-Key"]', "is named, not written"),
        ({"headers": {"Ratchet-Delivery": "x"}}, 'headers["Ratchet-Delivery"]', "set by Ratchet"),
        ({"headers": {"Host": "x"}}, "headers.Host", "set by Ratchet"),
        ({"headers": {"a b": "x"}}, "headers", "no name of a header"),
        ({"headers": {"X-A": "a\r\nb"}}, 'headers["X-A"]', "one line"),
        ({"bearer": "HOOK", "basic": {"user": "u", "password": "HOOK"}}, "basic", "one Authorization"),
    ],
    ids=range(25),
)
def test_a_webhook_that_cannot_be_is_refused(hook: dict[str, Any], key: str, told: str) -> None:
    assert told in problems([{**HOOK, **hook}])[f"$[0].{key}"]


def test_a_webhook_needs_a_network() -> None:
    assert "switched off" in problems([HOOK], mode="off")["$[0].url"]
    assert "network.deny" in problems([HOOK], deny=["hooks.example.com"])["$[0].url"]


def test_a_secret_that_stands_where_its_name_belongs_is_not_told() -> None:
    told = problems([{**HOOK, "bearer": "sk-live-0123456789", "headers": {"X-A": {"secret": "sk-live-0123456789"}}}])
    assert "sk-live" not in str(told)
    assert "a secret is named, not written" in told["$[0].bearer"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a.json", "expected a list of destinations"),
        (None, "expected a list of destinations"),
        ([{"type": "file", "path": "a.json"}] * 21, "at most 20"),
        ([7], "expected an object"),
        ([{"type": "email"}], "type is file or webhook"),
        ([{"path": "a.json"}], "type is required"),
        ([{"type": "file", "path": "\ud800.json"}], "half of a character"),
        ([{"type": "webhook", "url": "https://example.com/", "headers": {"X-A": "x" * 40_000}}], "at most 32768"),
    ],
    ids=range(8),
)
def test_what_is_no_destination_is_refused(value: Any, told: str) -> None:
    assert told in next(iter(problems(value).values()))


def test_everything_wrong_is_told_at_once() -> None:
    told = problems([{"type": "file", "path": "../a.json", "mode": "0444"}, {"type": "file", "path": "/b"}, {**HOOK, "sign": "NOBODY"}])
    assert list(told) == ["$[0].mode", "$[1].path", "$[1].format", "$[2].sign"]


def test_parquet_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet_mcp.delivery.checks.find_spec", lambda name: None)
    assert "pip install 'ratchet-mcp[parquet]'" in problems([{"type": "file", "path": "a.parquet"}])["$[0].format"]
