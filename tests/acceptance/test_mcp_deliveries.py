"""Deliveries through MCP: asked for with a background job, listed, sent again."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from mcp_caller import Caller

ROOT = Path(tempfile.mkdtemp(prefix="ratchet-delivery-"))
HTTP_SETTINGS = {"RATCHET_MCP__TOOLSETS": '["core", "jobs"]', "RATCHET_DELIVERY__ROOTS": json.dumps([str(ROOT)])}


@pytest.fixture(scope="module", params=["http-2026-07-28"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", autouse=True)
def root() -> Iterator[None]:
    yield
    shutil.rmtree(ROOT)


async def delivered(call: Caller, path: str) -> dict[str, Any]:
    """Run a job whose result goes into a file; return its delivery when it has ended."""
    background = {"background": True, "delivery": [{"type": "file", "path": path, "exists": "number"}]}
    job = await call.fine("execute_task", task="add", input={"a": 2, "b": 3}, **background)
    with anyio.fail_after(30):
        while True:
            found = (await call.fine("list_deliveries", job_id=job["job_id"]))["deliveries"]
            if found and found[0]["status"] in ("delivered", "failed"):
                return found[0]
            await anyio.sleep(0.05)


async def test_the_result_of_a_job_goes_into_a_file_and_once_more_when_asked(call: Caller) -> None:
    name = uuid4().hex
    delivery = await delivered(call, f"{name}.json")
    assert (delivery["status"], delivery["target"]) == ("delivered", f"{name}.json")
    assert json.loads((ROOT / f"{name}.json").read_text()) == 5
    again = await call.fine("redeliver", id=delivery["delivery_id"])
    assert again["delivery_id"] == delivery["delivery_id"]
    with anyio.fail_after(30):
        while not (ROOT / f"{name}-1.json").exists():
            await anyio.sleep(0.02)


async def test_a_destination_that_cannot_be_is_refused_before_anything_is_queued(call: Caller) -> None:
    wrong = [{"type": "file", "path": "../x.json"}, {"type": "webhook", "url": "http://127.0.0.1/"}]
    error, text = await call.failing("execute_task", task="add", input={"a": 1, "b": 1}, background=True, delivery=wrong)
    assert error["error"]["code"] == "delivery_invalid"
    assert [each["path"] for each in error["error"]["details"]["problems"]] == ["$[0].path", "$[1].url"]
    assert "does not go up" in text


async def test_an_unknown_delivery_is_told(call: Caller) -> None:
    error, _ = await call.failing("redeliver", id="nothing")
    assert error["error"]["code"] == "delivery_not_found"
    assert (await call.fine("list_deliveries", execution_id="nothing"))["deliveries"] == []
