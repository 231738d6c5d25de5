"""Bundled tasks that use the network, against a real server on this machine, and against the policy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from egress_runs import LOOPBACK
from http_server import HttpServer, http_server, response

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Execution, Origin
from ratchet_mcp.settings import NetworkSettings, RegistrySettings, SecretSettings, Settings, StoreSettings

TOKEN = "t0ken-canary-value"
PAGE = b"<html lang=fr><title>Th\xe9</title><main><p>Du th\xe9, <a href=/x>ici</a>.</p></main></html>"
FEED = b"<rss><channel><title>News</title><item><title>One</title><link>/1</link><pubDate>Sat, 31 Jan 2026 08:00:00 GMT</pubDate></item></channel></rss>"


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        running.answers("/page", response(PAGE, Content_Type="text/html; charset=ISO-8859-1"))
        running.answers("/feed", response(FEED, Content_Type="application/rss+xml"))
        running.answers(
            "/busy", response(b"busy", "503 Busy"), response(b"busy", "503 Busy"), response(b'{"ok":true}', Content_Type="application/json")
        )
        yield running


@pytest.fixture(scope="module")
async def ratchet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ratchet]:
    token: Path = tmp_path_factory.mktemp("secrets") / "token"
    token.write_text(TOKEN)
    secrets = [SecretSettings(name="WEBHOOK_TOKEN", file=token, hosts=["127.0.0.1:*"])]
    network = NetworkSettings(allow_private=LOOPBACK, retries=0, secrets=secrets)
    async with Ratchet.open(
        Settings(store=StoreSettings(url="sqlite://"), registry=RegistrySettings(bundled=True), network=network)
    ) as opened:
        yield opened


async def run(ratchet: Ratchet, name: str, value: Any) -> Execution:
    return await (await ratchet.execute(name, value, origin=Origin.TEST)).wait(60)


async def test_a_page_is_read_where_its_redirects_lead(ratchet: Ratchet, server: HttpServer) -> None:
    execution = await run(ratchet, "web-page-to-text", {"url": f"{server.url}/redirect?to=/page", "main_only": True})
    assert execution.error is None
    output = execution.output
    assert (output["url"], output["encoding"], output["language"]) == (f"{server.url}/page", "windows-1252", "fr")
    assert (output["title"], output["text"]) == ("Thé", "Du thé, [ici](/x).")
    assert output["links"] == [{"text": "ici", "url": f"{server.url}/x"}]


async def test_feeds_are_read_beside_others_that_fail(ratchet: Ratchet, server: HttpServer) -> None:
    feeds = [f"{server.url}/feed", f"{server.url}/nowhere", "http://127.0.0.1:1/closed", "http://169.254.169.254/latest/meta-data"]
    execution = await run(ratchet, "rss-digest", {"feeds": feeds})
    assert execution.error is None
    assert [item["link"] for item in execution.output["items"]] == [f"{server.url}/1"]
    errors = [feed["error"] for feed in execution.output["feeds"]]
    assert errors[:2] == [None, "the server answered 404"]
    assert "port 1" in errors[2] and "no public address" in errors[3]


async def test_a_webhook_carries_a_token_that_the_task_never_holds(ratchet: Ratchet, server: HttpServer) -> None:
    execution = await run(ratchet, "webhook-sender", {"url": f"{server.url}/echo", "payload": {"a": 1}, "authorization": "bearer"})
    assert execution.error is None
    assert server.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert server.asked[-1].body == b'{"a":1}'
    assert TOKEN not in json.dumps(execution.output)
    assert execution.output["response"]["headers"]["authorization"] == "Bearer ***WEBHOOK_TOKEN***"


async def test_a_webhook_with_a_key_is_sent_until_it_is_taken(ratchet: Ratchet, server: HttpServer) -> None:
    execution = await run(ratchet, "webhook-sender", {"url": f"{server.url}/busy", "payload": None, "idempotency_key": "k-1"})
    assert execution.error is None
    assert (execution.output["attempts"], execution.output["response"]) == (3, {"ok": True})
    assert [each.headers["idempotency-key"] for each in server.asked if each.path == "/busy"] == ["k-1"] * 3


async def test_a_webhook_follows_no_redirect(ratchet: Ratchet, server: HttpServer) -> None:
    execution = await run(
        ratchet, "webhook-sender", {"url": f"{server.url}/redirect?to=/echo&status=307", "payload": 1, "idempotency_key": "k-2"}
    )
    assert execution.error is not None
    assert "redirect" in execution.error["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web-page-to-text", {"url": "http://169.254.169.254/latest/meta-data/"}),
        ("web-page-to-text", {"url": "http://[::ffff:10.0.0.1]/"}),
        ("web-page-to-text", {"url": "http://0x0a.1/"}),
        ("webhook-sender", {"url": "http://192.168.1.1/", "payload": 1, "method": "PUT"}),
        ("webhook-sender", {"url": "https://user:pass@192.168.1.1/", "payload": 1}),
    ],
)
async def test_an_address_inside_is_refused_before_anything_is_sent(ratchet: Ratchet, name: str, value: Any) -> None:
    execution = await run(ratchet, name, value)
    assert execution.error is not None
    assert "public address" in execution.error["message"] or "user name" in execution.error["message"]
