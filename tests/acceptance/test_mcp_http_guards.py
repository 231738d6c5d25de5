"""What the HTTP server refuses, and how it says so."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import httpx
import pytest

JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": CLIENT}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory):
    """One server for all tests that only knock at it."""
    from ratchet_mcp.settings import Settings

    assert Settings().server.host == "127.0.0.1"
    store = f"sqlite:///{tmp_path_factory.mktemp('http') / 'ratchet.db'}"
    command = [sys.executable, "-m", "ratchet_mcp.cli.main", "serve", "--port", "0"]
    environment = {"PATH": "/usr/bin:/bin", "RATCHET_STORE__URL": store, "RATCHET_MCP__MAX_MESSAGE_BYTES": "65536"}
    environment |= {"RATCHET_SERVER__ALLOWED_HOSTS": '["ratchet.example"]', "RATCHET_SERVER__ALLOWED_ORIGINS": '["https://app.example"]'}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        yield "http://" + line.split("http://")[1].split("/mcp")[0]
        process.kill()


@pytest.mark.parametrize("route", ["/mcp", "/sse", "/messages/", "/health", "/nowhere"])
def test_a_foreign_host_is_refused_on_every_route(address: str, route: str):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example:8000"):
        answer = httpx.get(address + route, headers={"host": host})
        assert answer.status_code == 421
        assert answer.json()["error"]["code"] == "forbidden_host"
        assert "server.allowed_hosts" in answer.json()["error"]["hint"]


@pytest.mark.parametrize("route", ["/mcp", "/sse", "/messages/", "/health", "/nowhere"])
def test_a_foreign_origin_is_refused_on_every_route(address: str, route: str):
    for origin in ("https://evil.example", "null", "http://localhost.evil.example", "https://app.example.evil.example"):
        answer = httpx.post(address + route, headers={"origin": origin, **JSON}, json=INITIALIZE)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "forbidden_origin"


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1", "[::1]", "[::1]:80", "ratchet.example", "ratchet.example:443"])
def test_loopback_names_and_configured_hosts_pass_with_any_port_or_none(address: str, host: str):
    assert httpx.get(address + "/health", headers={"host": host}).status_code in (200, 503)


@pytest.mark.parametrize("origin", ["http://localhost", "http://localhost:6274", "https://127.0.0.1:1", "https://app.example"])
def test_accepted_origins_may_read_the_session_id(address: str, origin: str):
    answer = httpx.post(address + "/mcp", headers={"origin": origin, **JSON}, json=INITIALIZE)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-expose-headers"] == "Mcp-Session-Id"
    preflight = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "mcp-protocol-version"}
    assert httpx.options(address + "/mcp", headers=preflight).status_code == 200


@pytest.mark.parametrize("route", ["/mcp", "/messages/", "/health", "/nowhere"])
def test_a_body_that_declares_too_much_is_refused_on_every_route(address: str, route: str):
    answer = httpx.post(address + route, headers=JSON, content=b"x" * 65_537)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_a_body_that_turns_out_too_large_is_refused(address: str):
    answer = httpx.post(address + "/mcp", headers=JSON, content=(b"x" * 1_000 for _ in range(70)))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_unknown_routes_and_wrong_methods_get_the_error_envelope(address: str):
    missing = httpx.get(address + "/nowhere")
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "not_found"
    assert "/mcp" in missing.json()["error"]["hint"]
    wrong = httpx.post(address + "/health", json={})
    assert wrong.status_code == 405
    assert wrong.json()["error"]["code"] == "method_not_allowed"
    assert "GET" in wrong.headers["allow"]
    stream = httpx.post(address + "/sse", json={})
    assert stream.status_code == 405
    assert stream.headers["allow"] == "GET"


def test_bad_json_is_a_client_error_and_the_server_lives(address: str):
    deep = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}}"
    for body in (b"garbage", b"\xff\x00", b"[]", deep):
        assert 400 <= httpx.post(address + "/mcp", headers=JSON, content=body).status_code < 500
    assert httpx.get(address + "/health").status_code in (200, 503)


def test_too_many_sessions_are_refused(start_http):
    server = start_http(RATCHET_SERVER__MAX_SESSIONS="2")
    statuses = [httpx.post(server.address + "/mcp", headers=JSON, json=INITIALIZE).status_code for _ in range(3)]
    assert statuses == [200, 200, 503]


def test_an_address_beyond_loopback_is_served_with_a_loud_warning(start_http):
    server = start_http(command=("-m", "ratchet_mcp.cli.main", "serve", "--host", "0.0.0.0", "--port", "0"))
    port = server.address.rsplit(":", 1)[1]
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code in (200, 503)
    assert "no authentication" in server.stderr


def test_a_port_that_is_taken_is_told_and_ends_the_process(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "ratchet_mcp.cli.main", "serve", "--port", str(taken.getsockname()[1])]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert run.returncode != 0
    assert "Cannot listen on 127.0.0.1 port" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_though_a_stream_is_open(start_http, number: signal.Signals):
    server = start_http()
    with httpx.stream("GET", server.address + "/sse") as stream:
        assert next(stream.iter_lines()) == "event: endpoint"
        server.process.send_signal(number)
        assert server.process.wait(30) == 0
