"""Proxies, by setting only; the checked address is what the proxy is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from egress_runs import egress, get
from http_server import HttpServer, ProxyServer, authority, http_server, proxy_server

from ratchet_mcp.errors import NetworkDenied, NetworkFailed, SettingsInvalid

PUBLIC = {"api.example.com": [["93.184.216.34"]], "six.example.com": [["2606:4700::1111"]], "evil.example.com": [["10.0.0.1"]]}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def proxy(server: HttpServer) -> Iterator[ProxyServer]:
    with proxy_server(server.port) as running:
        yield running


async def test_the_proxy_is_asked_for_the_checked_address(server: HttpServer, proxy: ProxyServer) -> None:
    async with egress(allow_private=[], names=PUBLIC, proxy=proxy.url) as service:
        assert (await get(service.for_run(None), "http://api.example.com/json")).status == 200
        assert (await get(service.for_run(None), "http://six.example.com:8080/json")).status == 200
    assert [head.splitlines()[0] for head in proxy.asked] == [
        "CONNECT 93.184.216.34:80 HTTP/1.1",
        "CONNECT [2606:4700::1111]:8080 HTTP/1.1",
    ]
    assert server.asked[0].headers["host"] == "api.example.com"


async def test_a_private_address_is_refused_before_the_proxy(proxy: ProxyServer) -> None:
    async with egress(allow_private=[], names=PUBLIC, proxy=proxy.url) as service:
        for url in ("http://evil.example.com/", "http://127.0.0.1/", "http://localhost/"):
            with pytest.raises(NetworkDenied):
                await get(service.for_run(None), url)
    assert proxy.asked == []


async def test_a_proxy_that_resolves_gets_the_name(server: HttpServer, proxy: ProxyServer) -> None:
    async with egress(allow_private=[], names={}, proxy=proxy.url, proxy_resolves=True) as service:
        assert (await get(service.for_run(None), "http://api.example.com/json")).status == 200
        with pytest.raises(NetworkDenied):
            await get(service.for_run(None), "http://10.0.0.1/")
    assert proxy.asked[0].startswith("CONNECT api.example.com:80 ")


async def test_tls_goes_through_the_tunnel_to_the_server(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    with http_server(ca.server_context("api.example.com")) as server, proxy_server(server.port, ca.server_context("127.0.0.1")) as proxy:
        async with egress(allow_private=[], names=PUBLIC, proxy=proxy.url, ca_file=ca.file) as service:
            assert (await get(service.for_run(None), "https://api.example.com/json")).status == 200
        assert proxy.asked[0].startswith("CONNECT 93.184.216.34:443 ")


async def test_credentials_of_the_proxy_go_to_the_proxy_only(server: HttpServer, proxy: ProxyServer) -> None:
    settings = {"proxy": proxy.url, "proxy_credentials_env": "PROXY", "env": {"PROXY": "user:word"}}
    async with egress(allow_private=[], names=PUBLIC, **settings) as service:
        await get(service.for_run(None), "http://api.example.com/echo")
    assert "Proxy-Authorization: Basic dXNlcjp3b3Jk" in proxy.asked[0]
    assert "proxy-authorization" not in server.asked[0].headers


async def test_missing_credentials_are_told(proxy: ProxyServer) -> None:
    async with egress(proxy=proxy.url, proxy_credentials_env="PROXY") as service:
        with pytest.raises(SettingsInvalid, match="PROXY"):
            await get(service.for_run(None), "http://127.0.0.1:8080/")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nmore", b"nonsense\r\n\r\n", b""],
)
async def test_a_proxy_that_refuses_is_told(proxy: ProxyServer, answer: bytes) -> None:
    proxy.refuses = answer
    async with egress(allow_private=[], names=PUBLIC, proxy=proxy.url) as service:
        with pytest.raises(NetworkFailed) as error:
            await get(service.for_run(None), "http://api.example.com/")
    assert error.value.details["reason"] == "proxy" and error.value.hint and "network.proxy" in error.value.hint


async def test_variables_of_the_environment_are_ignored(server: HttpServer, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    async with egress() as service:
        assert (await get(service.for_run(None), f"{server.url}/json")).status == 200
    assert proxy.asked == []
