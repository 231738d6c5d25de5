"""Ways to make the coordinator connect where it must not, against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from egress_runs import Names, egress, get
from http_server import HttpServer, http_server, response

from ratchet_mcp.egress.service import Egress
from ratchet_mcp.errors import NetworkDenied, NetworkFailed
from ratchet_mcp.settings import NetworkSettings
from ratchet_mcp.tasks.loading import load_files  # noqa: F401  the task of these tests is made by hand


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0", "[::1]"]
)
async def test_no_spelling_of_loopback_reaches_a_local_server(server: HttpServer, host: str) -> None:
    async with egress(allow_private=[]) as service:
        run = service.for_run(None)
        with pytest.raises(NetworkDenied) as error:
            await get(run, f"http://{host}:{server.port}/json")
    assert error.value.details["host"] and error.value.hint
    assert server.connections == 0 and run.calls[0].error is not None


async def test_a_public_name_with_a_private_address_is_refused(server: HttpServer) -> None:
    async with egress(allow_private=[], names={"evil.example.com": [["127.0.0.1"]]}) as service:
        run = service.for_run(None)
        with pytest.raises(NetworkDenied, match=r"evil\.example\.com has an address that is not public \(loopback\)") as error:
            await get(run, f"http://evil.example.com:{server.port}/json")
    # Where names inside lead is for the operator, not for a task that probes.
    assert run.calls[0].address == "127.0.0.1" and "127.0.0.1" not in str(error.value) + repr(error.value.details)
    assert server.connections == 0


async def test_one_private_address_among_public_ones_is_refused(server: HttpServer) -> None:
    async with egress(allow_private=[], names={"evil.example.com": [["93.184.216.34", "127.0.0.1"]]}) as service:
        with pytest.raises(NetworkDenied):
            await get(service.for_run(None), f"http://evil.example.com:{server.port}/json")
    assert server.connections == 0


async def test_a_name_that_changes_its_address_after_the_check_gains_nothing(server: HttpServer) -> None:
    """What is resolved is what is connected to: there is no second lookup, and a second connection is checked anew."""
    names = Names({"api.test": [["127.0.0.1"], ["169.254.169.254"]]})
    async with Egress(NetworkSettings(allow_private=["api.test:*"], keep_alive_seconds=0, retries=0), resolver=names) as service:
        run = service.for_run(None)
        server.answers("/close", response(b"once", Connection="close"))
        assert (await get(run, f"http://api.test:{server.port}/close")).body == b"once"
        assert names.asked == ["api.test"]
        with pytest.raises(NetworkDenied, match="cloud metadata"):
            await get(run, f"http://api.test:{server.port}/close")
    assert server.connections == 1


async def test_a_redirect_to_loopback_is_refused(server: HttpServer) -> None:
    with http_server() as inside:
        for target in (
            f"http://127.0.0.1:{inside.port}/json",
            f"http://2130706433:{inside.port}/",
            f"http://localhost:{inside.port}/",
            f"//0x7f.1:{inside.port}/",
        ):
            async with egress(allow_private=[f"127.0.0.1:{server.port}"]) as service:
                run = service.for_run(None)
                with pytest.raises(NetworkDenied):
                    await get(run, f"{server.url}/redirect?to={quote(target)}")
        assert inside.connections == 0


async def test_a_redirect_to_a_name_that_resolves_inside_is_refused(server: HttpServer) -> None:
    with http_server() as inside:
        async with egress(allow_private=[f"127.0.0.1:{server.port}"], names={"inner.example.com": [["127.0.0.1"]]}) as service:
            with pytest.raises(NetworkDenied):
                await get(service.for_run(None), f"{server.url}/redirect?to={quote(f'http://inner.example.com:{inside.port}/')}")
        assert inside.connections == 0


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.com/", "http://user:pw@example.com/", "data:text/plain,x", "http://", "gopher://x/"]
)
async def test_a_redirect_where_no_task_can_go_is_refused(server: HttpServer, target: str) -> None:
    async with egress() as service:
        with pytest.raises(NetworkFailed) as error:
            await get(service.for_run(None), f"{server.url}/redirect?to={quote(target)}")
    assert error.value.details["reason"] == "redirect" and "pw" not in error.value.message


async def test_a_connection_of_one_policy_is_not_lent_to_another(server: HttpServer) -> None:
    """Two tasks share the service; only one may reach the private host, and its idle connection must not serve the other."""
    names = Names({"api.test": [["127.0.0.1"]]})
    async with Egress(NetworkSettings(allow_private=["api.test:*"], retries=0), resolver=names) as service:
        await get(service.for_run(None), f"http://api.test:{server.port}/json")
        strict = service.for_run(None)
        strict._policy = type(strict._policy)()  # the policy of settings without allow_private
        with pytest.raises(NetworkDenied):
            await get(strict, f"http://api.test:{server.port}/json")
    assert server.connections == 1


async def test_metadata_stays_shut_in_the_open_mode() -> None:
    async with egress(allow_private=[], mode="open", names={"meta.example.com": [["169.254.169.254"]]}) as service:
        for url in ("http://169.254.169.254/", "http://meta.example.com/", "http://[fd00:ec2::254]/"):
            with pytest.raises(NetworkDenied, match="metadata"):
                await get(service.for_run(None), url)


async def test_the_open_mode_reaches_loopback(server: HttpServer) -> None:
    async with egress(allow_private=[], mode="open") as service:
        assert (await get(service.for_run(None), f"{server.url}/json")).status == 200


async def test_a_public_address_of_this_machine_is_no_way_in(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's own public address is found after connecting: both ends are the same. Here loopback passes for one."""
    monkeypatch.setattr("ratchet_mcp.egress.dialing.why_not_public", lambda address: None)
    async with egress(allow_private=[], names={"me.example.com": [["127.0.0.1"]]}) as service:
        with pytest.raises(NetworkDenied, match="this machine itself"):
            await get(service.for_run(None), f"http://me.example.com:{server.port}/json")
    assert server.asked == []


# ---------------------------------------------------------------- what goes along with a redirect
async def elsewhere(service: Egress, server: HttpServer, other: HttpServer, status: int, **options: Any) -> Any:
    await get(service.for_run(None), f"{server.url}/redirect?status={status}&to={quote(other.url + '/echo')}", **options)
    return other.asked[-1]


async def test_credentials_and_cookies_stay_behind_at_another_origin(server: HttpServer) -> None:
    sent = {"Authorization": "Bearer one", "Cookie": "a=b", "X-Api-Key": "two", "X-Auth-Token": "three", "X-Plain": "stays"}
    with http_server() as other:
        async with egress() as service:
            for status in (301, 302, 303, 307, 308):
                got = await elsewhere(service, server, other, status, headers=sent)
                assert got.headers["x-plain"] == "stays"
                assert not {"authorization", "cookie", "x-api-key", "x-auth-token"} & got.headers.keys()
    assert server.asked[-1].headers["authorization"] == "Bearer one"


async def test_credentials_go_along_within_one_origin(server: HttpServer) -> None:
    async with egress() as service:
        await get(service.for_run(None), f"{server.url}/redirect?to=/echo", headers={"Authorization": "Bearer one"})
    assert server.asked[-1].headers["authorization"] == "Bearer one"


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (302, "PUT", "PUT"),
    ],
)
async def test_methods_change_at_redirects_as_the_standard_says(server: HttpServer, status: int, method: str, then: str) -> None:
    body = None if method == "HEAD" else b"data"
    async with egress() as service:
        run = service.for_run(None)
        got = await get(
            run, f"{server.url}/redirect?status={status}&to=/echo", method=method, body=body, headers={"Content-Type": "text/x"}
        )
    asked = server.asked[-1]
    assert asked.method == then and got.redirected and run.calls[0].redirects == [f"{server.url}/echo"]
    assert asked.body == (b"data" if then not in ("GET", "HEAD") else b"")
    assert ("content-type" in asked.headers) == (then != "GET")


async def test_https_does_not_lead_down_to_http(server: HttpServer, tmp_path: Any) -> None:
    from http_server import authority

    ca = authority(tmp_path)
    with http_server(ca.server_context("api.test")) as safe:
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            with pytest.raises(NetworkFailed, match="from https down to http"):
                await get(service.for_run(None), f"https://api.test:{safe.port}/redirect?to={quote(server.url + '/json')}")
    assert server.asked == []
