"""Secrets are sent where they belong, and are seen nowhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from egress_runs import egress, get
from http_server import Asked, HttpServer, http_server, response

from ratchet_mcp.egress.service import Egress, RunNetwork
from ratchet_mcp.errors import InvalidFetch, SecretMissing
from ratchet_mcp.tasks.definition import Task

VALUE = 's3cr3t/+value with "quotes"'


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


def task(name: str = "probe") -> Task:
    return Task(uuid4(), name, "1.0.0", name, "", "", {}, {})


def secret(server: HttpServer, **changes: Any) -> dict[str, Any]:
    return {"env": {"TOKEN": VALUE}, "secrets": [{"name": "API", "env": "TOKEN", "hosts": [f"127.0.0.1:{server.port}"], **changes}]}


def everything(run: RunNetwork, *more: object) -> str:
    return json.dumps([call.to_dict() for call in run.calls]) + repr(more)


async def test_the_value_reaches_the_host_and_comes_back_nowhere(server: HttpServer) -> None:
    async with egress(**secret(server)) as service:
        run = service.for_run(task())
        got = await get(run, f"{server.url}/echo", headers={"Authorization": f"Bearer {run.secrets.handle('API')}"})
    assert server.asked[0].headers["authorization"] == f"Bearer {VALUE}"
    assert run.secrets.names == ("API",)
    told = json.loads(got.body)["headers"]["authorization"]
    assert told == "Bearer ***API***" and "s3cr3t" not in everything(run, got, run.secrets)


async def test_basic_authentication_is_filled_in_too(server: HttpServer) -> None:
    async with egress(**secret(server)) as service:
        run = service.for_run(task())
        encoded = base64.b64encode(f"user:{run.secrets.handle('API')}".encode()).decode()
        got = await get(run, f"{server.url}/echo", headers={"Authorization": f"Basic {encoded}"})
    sent = server.asked[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == f"user:{VALUE}"
    assert sent not in got.body.decode() and VALUE not in everything(run, got)


async def test_every_form_in_which_a_server_sends_it_back_is_hidden(server: HttpServer) -> None:
    forms = [VALUE, json.dumps(VALUE), quote(VALUE), quote(VALUE, safe=""), base64.b64encode(VALUE.encode()).decode()]

    async def answer(asked: Asked, writer: Any) -> None:
        writer.write(response("\n".join(forms).encode(), X_Seen=VALUE, Location="/x?t=" + quote(VALUE)))

    server.handlers["/forms"] = answer
    async with egress(**secret(server)) as service:
        run = service.for_run(task())
        await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("API")})
        later = service.for_run(task("another"))
        for each in (run, later):
            got = await get(each, f"{server.url}/forms")
            assert "s3cr3t" not in repr(got) and base64.b64encode(VALUE.encode()).decode()[:20] not in repr(got)


async def test_a_secret_does_not_go_to_another_host(server: HttpServer) -> None:
    with http_server() as other:
        async with egress(**secret(server)) as service:
            run = service.for_run(task())
            with pytest.raises(SecretMissing) as error:
                await get(run, f"{other.url}/echo", headers={"X-Key": run.secrets.handle("API")})
            assert error.value.details == {"host": "127.0.0.1", "secret": "API"} and "s3cr3t" not in str(error.value)
        assert other.asked == []


async def test_a_redirect_to_another_host_loses_it(server: HttpServer) -> None:
    with http_server() as other:
        async with egress(**secret(server)) as service:
            run = service.for_run(task())
            headers = {"X-Custom": run.secrets.handle("API"), "X-Plain": "stays"}
            await get(run, f"{server.url}/redirect?to={quote(other.url + '/echo')}", headers=headers)
    assert "x-custom" not in other.asked[0].headers and other.asked[0].headers["x-plain"] == "stays"


async def test_a_task_that_may_not_use_it_does_not_get_it(server: HttpServer) -> None:
    async with egress(**secret(server, tasks=["trusted-*"])) as service:
        run = service.for_run(task("stranger"))
        assert run.secrets.names == ()
        with pytest.raises(SecretMissing):
            await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("API")})
        run = service.for_run(task("trusted-one"))
        await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("API")})
    assert len(server.asked) == 1


async def test_a_declared_secret_has_a_handle_also_where_it_is_not_set(server: HttpServer) -> None:
    declaring = Task(uuid4(), "probe", "1.0.0", "", "", "", {}, {}, metadata={"network": {"secrets": ["MISSING"]}})
    async with egress(**secret(server)) as service:
        run = service.for_run(declaring)
        assert run.secrets.names == ("API", "MISSING")
        with pytest.raises(SecretMissing, match="MISSING is not there"):
            await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("MISSING")})


async def test_text_that_looks_like_a_handle_is_none(server: HttpServer) -> None:
    async with egress(**secret(server)) as service:
        run, other = service.for_run(task()), service.for_run(task())
        for text in ("{{secret:API:0123456789abcdef}}", other.secrets.handle("API"), "{{API}}"):
            await get(run, f"{server.url}/echo", headers={"X-Key": text})
            assert server.asked[-1].headers["x-key"] == text


@pytest.mark.parametrize("field", ["url", "body"])
async def test_a_handle_stands_in_headers_only(server: HttpServer, field: str) -> None:
    async with egress(**secret(server)) as service:
        run = service.for_run(task())
        handle = run.secrets.handle("API")
        url, options = (
            (f"{server.url}/echo?key={handle}", {})
            if field == "url"
            else (f"{server.url}/echo", {"method": "POST", "body": handle.encode()})
        )
        with pytest.raises(InvalidFetch) as error:
            await get(run, url, **options)
    assert error.value.details["field"] == field and server.asked == []


@pytest.mark.parametrize("value", ["", "short", "line\nend", "caf\u00e9 caf\u00e9"])
async def test_a_value_that_is_none_is_told_without_it(server: HttpServer, value: str) -> None:
    async with egress(**{**secret(server), "env": {"TOKEN": value}}) as service:
        run = service.for_run(task())
        with pytest.raises(SecretMissing) as error:
            await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("API")})
    assert "TOKEN" in error.value.message and (not value or value not in error.value.message)


async def test_a_secret_from_a_file(server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{VALUE}\n")
    async with egress(secrets=[{"name": "API", "file": tmp_path / "token", "hosts": ["127.0.0.1:*"]}]) as service:
        run = service.for_run(task())
        await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("API")})
        (tmp_path / "token").unlink()
        with pytest.raises(SecretMissing, match="cannot be read"):
            await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("API")})
    assert server.asked[0].headers["x-key"] == VALUE


async def test_recordings_hold_no_secret(server: HttpServer, tmp_path: Path) -> None:
    async with egress(**secret(server)) as service:
        recorder = service.recorder()
        run = service.for_run(task(), recorder=recorder)
        handle = run.secrets.handle("API")
        got = await get(run, f"{server.url}/echo", headers={"Authorization": f"Bearer {handle}", "X-Custom": handle})
        server.answers("/login", response(b'{"access_token": "hunter2"}', Set_Cookie="session=abc123; Path=/"))
        url = f"{server.url}/login?api_key=hunter2&q=plain"
        await get(run, url, method="POST", body=b'{"password":"hunter2","q":"plain"}', headers={"Cookie": "session=abc123"})
        recorder.write(tmp_path / "r", {"input": {"said": VALUE}, "output": got.body.decode(), "logs": []})
    text = "".join(each.read_text() for each in (tmp_path / "r").iterdir())
    for never in ("s3cr3t", "hunter2", "abc123"):
        assert never not in text, never
    assert '"q"' in text and "plain" in text and "***API***" in text
    assert all(each.stat().st_mode & 0o077 == 0 for each in (tmp_path / "r").iterdir())


async def test_libraries_log_nothing_of_a_request(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with egress(**secret(server)) as service:
        run: RunNetwork = Egress.for_run(service, task())
        await get(run, f"{server.url}/echo", headers={"X-Key": run.secrets.handle("API")})
    assert "s3cr3t" not in caplog.text and "x-key" not in caplog.text.lower()
