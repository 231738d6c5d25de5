"""The whole program with `store.url: postgresql://…`: a server without jobs of its own, a client and the command line on one database."""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio
from mcp import Client
from mcp_caller import Caller

ADD: dict[str, Any] = {
    "name": "plus",
    "description": "Adds two numbers. Input: a and b. Output: their sum.",
    "code": "function main(input) {\n  console.log('adding');\n  return { sum: input.a + input.b };\n}\n",
    "input_schema": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]},
    "output_schema": {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]},
}


async def test_tasks_runs_jobs_and_the_registry_live_in_postgresql(start_http: Any, environment: dict[str, str], postgres_url: str) -> None:
    database = {"RATCHET_STORE__URL": postgres_url, "RATCHET_MCP__TOOLSETS": json.dumps(["core", "author", "admin", "jobs"])}
    server = start_http(**database)
    async with Client(f"{server.address}/mcp") as client:
        call = await Caller.of(client)
        assert (await call.fine("create_task", **ADD))["task"] == "plus"
        again, _ = await call.failing("create_task", **ADD)
        assert again["error"]["code"] == "task_exists"
        done = await call.fine("execute_task", task="plus", input={"a": 2, "b": 3})
        assert done["output"] == {"sum": 5}
        again = await call.fine("get_status", id=done["execution_id"], include=["logs"])
        assert "adding" in json.dumps(again)
        listed = await call.fine("list_executions", task="plus")
        assert [each["execution_id"] for each in listed["executions"]] == [done["execution_id"]]

        job = await call.fine("execute_task", task="plus", input={"a": 1, "b": 1}, background=True)
        ended = await call.fine("get_status", id=job["job_id"], wait_seconds=30)
        assert ended["status"] == "completed"

        assert any(source["name"] == "database" for source in (await call.fine("sync_registry"))["sources"])
        packed = await call.fine("export_tasks", tasks=["plus"])
        assert (await call.fine("import_tasks", data=packed["data"]))["unchanged"] == 1
        await call.fine("delete_task", task="plus", confirm=True)
        assert (await call.fine("import_tasks", data=packed["data"]))["imported"] == 1
        shown = await call.fine("server_status")
        assert shown["store"]["backend"] == "postgresql"

    command = [sys.executable, "-m", "ratchet_mcp.cli.main", "jobs", "list", "--json"]
    listed = await anyio.run_process(command, env={**environment, **database})
    assert job["job_id"] in listed.stdout.decode()
