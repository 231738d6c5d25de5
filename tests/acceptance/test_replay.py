"""Recording and replay as users do it: `run-once --record`, `ratchet replay`, `--mock-file`, and the MCP tools through the SDK's client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import command_line
import pytest
from http_server import HttpServer, http_server, response
from jsonschema import Draft202012Validator
from mcp import Client

CODE = """async function main(input) {
  const answers = await Promise.all(input.cities.map((city) => fetch(`${input.url}/weather?city=${city}`)));
  console.log('asked', answers.length);
  const degrees = await Promise.all(answers.map(async (answer) => (await answer.json()).degrees));
  return { degrees, at: new Date().toISOString(), luck: Math.random(), count: answers.length };
}
"""
COOKIE = "cookie-canary-value"
Run = Callable[..., subprocess.CompletedProcess[str]]


def write(folder: Path, **tests: Any) -> Path:
    task = folder / "tasks" / "forecast"
    (task / "tests").mkdir(parents=True)
    (task / "metadata.json").write_text(json.dumps({"name": "forecast", "version": "1.0.0", "description": "Tells degrees."}))
    (task / "main.js").write_text(CODE)
    for name, content in tests.items():
        (task / "tests" / f"{name}.json").write_text(json.dumps(content))
    return task


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        running.answers(
            "/weather", *(response(json.dumps({"degrees": 20 + number}).encode(), Set_Cookie=f"sid={COOKIE}") for number in range(9))
        )
        yield running


@pytest.fixture
def environment(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    sources = json.dumps([{"name": "acceptance", "uri": str(tmp_path / "tasks")}])
    return {
        **environment,
        "RATCHET_REGISTRY__SOURCES": sources,
        "RATCHET_NETWORK__ALLOW_PRIVATE": '["127.0.0.1:*"]',
        "RATCHET_STORE__URL": f"sqlite:///{tmp_path}/store.db",
    }


@pytest.fixture
def ratchet(tmp_path: Path, environment: dict[str, str]) -> Run:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return command_line.ratchet(*arguments, cwd=tmp_path, env=environment)

    return run


# ---------------------------------------------------------------- the command line
def test_what_was_recorded_is_replayed_to_the_letter(ratchet: Run, server: HttpServer, tmp_path: Path) -> None:
    task = write(tmp_path)
    given = json.dumps({"url": server.url, "cities": ["Paris", "Rome", "Oslo"]})
    first = ratchet("run-once", "--from-fs", task, "--input-json", given, "--record", tmp_path / "rec")
    assert first.returncode == 0, first.stderr
    asked = len(server.asked)
    for way in (("--from-fs", task), ("--task", "forecast"), ()):
        again = ratchet("replay", *way, "--recording", tmp_path / "rec")
        assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
        assert "[info] asked 3" in again.stderr and "to the letter" in again.stderr
    assert len(server.asked) == asked
    assert COOKIE not in (tmp_path / "rec" / "http.har").read_text()


def test_a_miss_shows_the_closest_recorded_request_and_the_field(ratchet: Run, server: HttpServer, tmp_path: Path) -> None:
    task = write(tmp_path)
    ratchet("run-once", "--from-fs", task, "--input-json", json.dumps({"url": server.url, "cities": ["Paris"]}), "--record", "rec")
    wanted = ("replay", "--from-fs", task, "--recording", "rec", "--input-patch", '{"cities": ["Rome"]}')
    done = ratchet(*wanted)
    assert done.returncode == 1 and done.stdout == ""
    assert f"The closest is number 1 (GET {server.url}/weather?city=Paris)" in done.stderr and "url.query.city" in done.stderr
    live = ratchet(*wanted, "--mode", "replay-or-live")
    assert live.returncode == 0 and json.loads(live.stdout)["degrees"] == [21]


def test_a_task_that_was_changed_is_told_and_fails_the_replay(ratchet: Run, server: HttpServer, tmp_path: Path) -> None:
    task = write(tmp_path)
    ratchet("run-once", "--from-fs", task, "--input-json", json.dumps({"url": server.url, "cities": ["Paris"]}), "--record", "rec")
    (task / "main.js").write_text(CODE.replace("luck: Math.random()", "luck: 7"))
    done = ratchet("replay", "--from-fs", task, "--recording", "rec", "--json")
    report = json.loads(done.stdout)["replay"]
    assert done.returncode == 1 and report["task_changed"] and [each["path"] for each in report["differences"]] == ["$.luck"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--recording", "nowhere"], 1, "recording_invalid"),
        ([], 2, "--recording"),
        (["--recording", "rec", "--task", "a", "--from-fs", "b"], 2, "either"),
        (["--recording", "rec", "--mode", "live"], 2, "--mode"),
        (["--recording", "rec", "--input-patch", "{"], 1, "--input-patch is not JSON"),
    ],
)
def test_wrong_usage_of_replay_is_told(ratchet: Run, arguments: list[str], status: int, said: str) -> None:
    done = ratchet("replay", *arguments)
    assert done.returncode == status and said in done.stderr and "Traceback" not in done.stderr


def test_a_recording_that_cannot_be_written_fails_the_command(ratchet: Run, tmp_path: Path) -> None:
    task = write(tmp_path)
    (tmp_path / "file").write_text("")
    done = ratchet("run-once", "--from-fs", task, "--input-json", '{"cities": []}', "--record", "file/rec")
    assert done.returncode == 1 and "The recording cannot be used" in done.stderr


def test_a_mock_file_answers_for_the_network(ratchet: Run, tmp_path: Path) -> None:
    task = write(tmp_path, rome={"input": {"url": "https://api.example.com", "cities": ["Rome"]}, "expected_output": {"degrees": [5]}})
    (tmp_path / "mocks.json").write_text(json.dumps([{"url": "city=Rome", "response": {"json": {"degrees": 5}}}]))
    given = {"url": "https://api.example.com", "cities": ["Rome"]}
    done = ratchet("run-once", "--from-fs", task, "--input-json", json.dumps(given), "--mock-file", "mocks.json")
    assert json.loads(done.stdout)["degrees"] == [5], done.stderr
    done = ratchet("run-once", "--from-fs", task, "--input-json", json.dumps({**given, "cities": ["Oslo"]}), "--mock-file", "mocks.json")
    assert done.returncode == 1 and "The closest is mocks.json[0] (any method city=Rome)" in done.stderr
    assert ratchet("test", "--from-fs", task, "--mock-file", "mocks.json").returncode == 0
    bare = ratchet("test", "--from-fs", task)
    assert bare.returncode == 1 and "The test mocks no request" in bare.stdout + bare.stderr


@pytest.mark.parametrize(("text", "said"), [("{", "is not JSON"), ('[{"urk": "x"}]', "unknown key"), (None, "cannot be read")])
def test_a_mock_file_that_is_none_is_told(ratchet: Run, tmp_path: Path, text: str | None, said: str) -> None:
    task = write(tmp_path)
    if text is not None:
        (tmp_path / "mocks.json").write_text(text)
    done = ratchet("run-once", "--from-fs", task, "--mock-file", "mocks.json")
    assert done.returncode == 1 and said in done.stderr and "mocks.json" in done.stderr


def test_validate_tells_mistakes_in_mocks(ratchet: Run, tmp_path: Path) -> None:
    task = write(tmp_path, rome={"input": {}, "should_fail": True, "mock": {"http": [{"url": "x", "methd": "GET", "response": {}}]}})
    done = ratchet("validate", "--from-fs", task, "--json")
    assert done.returncode == 1 and "mock.http[0].methd" in done.stdout


# ---------------------------------------------------------------- MCP
@pytest.fixture(params=["stdio-legacy", "stdio-2026-07-28"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def ask(connect: Callable[[], Client], tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    write(tmp_path)
    async with connect() as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}

        async def call(name: str, failed: bool = False, **arguments: Any) -> dict[str, Any]:
            with anyio.fail_after(60):
                result = await client.call_tool(name, arguments)
            assert result.is_error is failed, result.content
            Draft202012Validator(schemas[name]).validate(result.structured_content)
            assert result.structured_content is not None
            return result.structured_content

        yield call


async def test_a_client_records_and_replays(ask: Callable[..., Any], server: HttpServer) -> None:
    given = {"url": server.url, "cities": ["Paris", "Rome"]}
    first = await ask("execute_task", task="forecast", input=given, record=True)
    asked = len(server.asked)
    again = await ask("replay_execution", id=first["execution_id"])
    assert again["replay"] == {"same": True} and json.dumps(again["output"]) == json.dumps(first["output"])
    assert again["execution_id"] != first["execution_id"] and len(server.asked) == asked
    calls = (await ask("get_status", id=again["execution_id"], include=["http"]))["http"]
    assert [(call["source"], call["status"]) for call in calls] == [("replay", 200)] * 2
    assert (await ask("get_status", id=again["execution_id"]))["replay"] == {"same": True}
    assert "replay" not in await ask("get_status", id=first["execution_id"])
    missed = await ask("replay_execution", failed=True, id=first["execution_id"], input_patch={"cities": ["Oslo"]})
    assert "closest is number" in missed["error"]["message"] and "url.query.city" in missed["error"]["message"]
    assert missed["replay"]["same"] is False and missed["replay"]["missed"] and missed["replay"]["input_changed"]


async def test_a_client_records_and_replays_a_function_that_is_saved_nowhere(ask: Callable[..., Any], server: HttpServer) -> None:
    first = await ask("run_javascript", code=CODE, input={"url": server.url, "cities": ["Paris"]}, record=True)
    asked = len(server.asked)
    again = await ask("replay_execution", id=first["execution_id"])
    assert again["replay"] == {"same": True} and again["output"] == first["output"] and len(server.asked) == asked


async def test_what_was_not_recorded_cannot_be_replayed(ask: Callable[..., Any], server: HttpServer, tmp_path: Path) -> None:
    plain = await ask("execute_task", task="forecast", input={"url": server.url, "cities": []})
    for arguments, code in (
        ({"id": plain["execution_id"]}, "recording_invalid"),
        ({"id": "../../tasks"}, "recording_invalid"),
        ({"recording": str(tmp_path / "tasks")}, "invalid_argument"),
        ({}, "invalid_argument"),
        ({"id": plain["execution_id"], "recording": "x"}, "invalid_argument"),
    ):
        assert (await ask("replay_execution", failed=True, **arguments))["error"]["code"] == code
