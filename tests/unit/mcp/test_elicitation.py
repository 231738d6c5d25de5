"""Asking the user yes or no, by the SDK's own client, in both protocol eras."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, ElicitResult, ErrorData, InputRequiredResult

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.mcp.elicitation import confirm, key_file
from ratchet_mcp.mcp.results import success
from ratchet_mcp.mcp.server import RatchetServer
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.spec import STOPS, Call, ToolSpec
from ratchet_mcp.security.keys import load_or_make
from ratchet_mcp.settings import McpSettings, Settings, StoreSettings

ERAS = ["legacy", "2026-07-28"]


class Remove(Arguments):
    name: str


async def remove(call: Call, arguments: Remove) -> dict[str, Any]:
    return success({"agreed": await confirm(call, f"Remove {arguments.name}?")})


REMOVE = ToolSpec("remove", "Remove", "Removes.", Remove, {"type": "object"}, STOPS, remove)


class Down:
    """Services that never come up, and that nothing here needs."""

    async def get(self) -> Any:
        await anyio.sleep_forever()

    up = get


def server(**mcp: Any) -> RatchetServer:
    return RatchetServer(Down(), Settings(mcp=McpSettings(task_tools="off", **mcp), store=StoreSettings(url="sqlite://")), [REMOVE])


def answering(answer: Any, asked: list[Any] | None = None) -> Any:
    async def callback(context: Any, params: Any) -> Any:
        if asked is not None:
            asked.append(params)
        return answer

    return callback


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [
        (ElicitResult(action="accept", content={"confirm": True}), True),
        (ElicitResult(action="accept"), True),
        (ElicitResult(action="accept", content={"confirm": False}), False),
        (ElicitResult(action="decline"), False),
        (ElicitResult(action="cancel"), False),
    ],
)
async def test_the_user_is_asked_once_and_the_answer_counts(era: str, answer: ElicitResult, agreed: bool):
    asked: list[Any] = []
    async with Client(server(), mode=era, elicitation_callback=answering(answer, asked)) as client:
        result = await client.call_tool("remove", {"name": "greet"})
    assert result.structured_content == {"agreed": agreed}
    assert [question.message for question in asked] == ["Remove greet?"]


async def test_a_client_that_cannot_ask_is_told_apart_from_a_no(era: str):
    async with Client(server(), mode=era) as client:
        assert (await client.call_tool("remove", {"name": "greet"})).structured_content == {"agreed": None}


async def test_a_client_that_fails_to_ask_counts_as_one_that_cannot():
    refusal = answering(ErrorData(code=-32603, message="no screen"))
    async with Client(server(), mode="legacy", elicitation_callback=refusal) as client:
        assert (await client.call_tool("remove", {"name": "greet"})).structured_content == {"agreed": None}


async def test_no_answer_in_time_is_a_no():
    async def never(context: Any, params: Any) -> Any:
        await anyio.sleep_forever()

    async with Client(server(answer_seconds=0.01), mode="legacy", elicitation_callback=never) as client:
        assert (await client.call_tool("remove", {"name": "greet"})).structured_content == {"agreed": False}


YES = {"confirm": ElicitResult(action="accept")}


class TestSealedState:
    """What a client of 2026-07-28 sends back is an answer only to the question that was put."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"state_key_file": tmp_path / "keys" / "state.key"}

    def client(self, settings: dict[str, Any]) -> Client:
        return Client(server(**settings), mode="2026-07-28", elicitation_callback=answering(None))

    async def ask(self, client: Client, name: str = "greet") -> str:
        asked = await client.session.call_tool("remove", {"name": name}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult) and asked.request_state
        assert asked.input_requests is not None and asked.input_requests["confirm"].params.message == f"Remove {name}?"
        return asked.request_state

    async def test_an_answer_survives_a_restart_of_the_server(self, settings: dict[str, Any]):
        async with self.client(settings) as client:
            state = await self.ask(client)
        async with self.client(settings) as client:
            result = await client.call_tool("remove", {"name": "greet"}, input_responses=YES, request_state=state)
        assert result.structured_content == {"agreed": True}

    @pytest.mark.parametrize("change", ["state", "arguments", "key"])
    async def test_an_answer_to_another_question_is_refused(self, settings: dict[str, Any], change: str):
        async with self.client(settings) as client:
            state = await self.ask(client)
        name = "parse" if change == "arguments" else "greet"
        state = state[:-4] + ("AAAA" if state[-4:] != "AAAA" else "BBBB") if change == "state" else state
        settings = {"state_key_file": settings["state_key_file"].with_name("other.key")} if change == "key" else settings
        async with self.client(settings) as client:
            with pytest.raises(MCPError) as caught:
                await client.session.call_tool("remove", {"name": name}, input_responses=YES, request_state=state)
        assert caught.value.code == INVALID_PARAMS

    async def test_an_answer_without_its_state_is_no_answer(self, settings: dict[str, Any]):
        async with self.client(settings) as client:
            asked = await client.session.call_tool("remove", {"name": "greet"}, input_responses=YES, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)

    async def test_the_state_tells_the_client_nothing(self, settings: dict[str, Any]):
        async with self.client(settings) as client:
            assert "greet" not in await self.ask(client)


class TestKeyFile:
    def test_the_key_is_made_once_for_its_owner_alone(self, tmp_path: Path):
        file = tmp_path / "new" / "state.key"
        key = load_or_make(file)
        assert len(key) == 32 and load_or_make(file) == key
        assert file.stat().st_mode & 0o777 == 0o600
        assert [entry.name for entry in file.parent.iterdir()] == ["state.key"]

    @pytest.mark.parametrize(("content", "mode", "words"), [(b"short", 0o600, "32 bytes"), (b"k" * 32, 0o644, "others can read")])
    def test_a_key_that_is_no_secret_is_refused(self, tmp_path: Path, content: bytes, mode: int, words: str):
        file = tmp_path / "state.key"
        file.write_bytes(content)
        file.chmod(mode)
        with pytest.raises(SettingsInvalid) as caught:
            load_or_make(file)
        assert words in caught.value.message and str(file) in caught.value.message

    def test_a_key_behind_a_link_is_refused(self, tmp_path: Path):
        load_or_make(tmp_path / "real.key")
        os.symlink(tmp_path / "real.key", tmp_path / "state.key")
        with pytest.raises(SettingsInvalid):
            load_or_make(tmp_path / "state.key")

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path):
        (tmp_path / "file").write_text("")
        with pytest.raises(SettingsInvalid) as caught:
            load_or_make(tmp_path / "file" / "state.key")
        assert "state.key" in json.dumps(caught.value.to_dict())

    def test_the_key_lives_beside_the_database(self, tmp_path: Path):
        beside = Settings(store=StoreSettings(url=f"sqlite:///{tmp_path}/data/ratchet.db"))
        assert key_file(beside) == tmp_path / "data" / "request-state.key"
        assert key_file(Settings(store=StoreSettings(url="sqlite://"))) is None
        named = Settings(mcp=McpSettings(state_key_file=tmp_path / "k"), store=StoreSettings(url="sqlite://"))
        assert key_file(named) == tmp_path / "k"
