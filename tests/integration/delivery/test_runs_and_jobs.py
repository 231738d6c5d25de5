"""What a whole Ratchet delivers: of runs, of jobs, of schedules; once for each end, and not of what was only tried out."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.delivery.models import Delivery, DeliveryStatus
from ratchet_mcp.errors import DeliveryInvalid
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.jobs.models import JobRequest, JobStatus
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.jobs.schedules.models import ScheduleRequest
from ratchet_mcp.settings import DeliverySettings, EngineSettings, RegistrySettings, Settings, SourceSettings, StoreSettings

LIMIT_SECONDS = 30
"""Only to turn a hang into a failure."""
EVERYWHERE = {"type": "file", "path": "all/{{ execution.id }}.json", "events": "both", "content": "record"}
OWN = {"type": "file", "path": "own/{{ task.name }}.csv", "exists": "append"}
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("(input) => input", {}),
    "reporting": ("(input) => ({ n: input.n })", {"delivery": [OWN]}),
    "misled": ("() => 1", {"delivery": [{"type": "file", "path": "../a.json"}]}),
    "failing": ("(input, context) => { if (context.attempt < 3) throw new Error('not yet'); return context.attempt }", {}),
    "parent": ("async () => await tasks.call('plain', { called: true })", {}),
    "forever": ("() => new Promise(resolve => setTimeout(resolve, 100000))", {}),
}


def settings_in(folder: Path, **delivery: Any) -> Settings:
    tasks = folder / "tasks"
    for name, (source, more) in TASKS.items():
        (tasks / name).mkdir(parents=True, exist_ok=True)
        facts = {"name": name, "version": "1.0.0", "uuid": str(uuid5(NAMESPACE_URL, name)), "title": name, "description": "For tests."}
        (tasks / name / "metadata.json").write_text(json.dumps({**facts, **more}))
        (tasks / name / "main.js").write_text(source)
        for schema in ("input", "output"):
            (tasks / name / f"{schema}.schema.json").write_text("{}")
    (folder / "out").mkdir(exist_ok=True)
    return Settings(
        store=StoreSettings(url=f"sqlite:///{folder}/ratchet.db", heartbeat_seconds=0.2),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(tasks))]),
        engine=EngineSettings(breaker_failures=1000),
        delivery=DeliverySettings(roots=[folder / "out"], destinations=[EVERYWHERE], **delivery),
    )


@pytest.fixture(scope="module")
async def ratchet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ratchet]:
    async with Ratchet.open(settings_in(tmp_path_factory.mktemp("ratchet"))) as opened:
        yield opened


def out(ratchet: Ratchet) -> Path:
    return ratchet.settings.delivery.roots[0]


async def all_of(ratchet: Ratchet, **wanted: Any) -> list[Delivery]:
    """Return the deliveries of a run or a job once all of them have ended, in the order of their planning."""
    with anyio.fail_after(LIMIT_SECONDS):
        while True:
            found = (await ratchet.deliveries.find(**wanted)).deliveries
            if all(each.finished_at is not None for each in found):
                return sorted(found, key=lambda each: each.key)
            await anyio.sleep(0.01)


async def run(ratchet: Ratchet, task: str, value: Any = None, origin: Origin = Origin.MCP) -> Any:
    return await (await ratchet.execute(task, value or {}, origin=origin)).wait(None)


async def test_a_run_goes_where_the_settings_and_its_task_want_it(ratchet: Ratchet) -> None:
    first, second = await run(ratchet, "reporting", {"n": 1}), await run(ratchet, "reporting", {"n": 2})
    [everywhere, own] = await all_of(ratchet, execution_id=first.id)
    await all_of(ratchet, execution_id=second.id)
    assert (everywhere.status, own.status) == (DeliveryStatus.DELIVERED,) * 2
    record = json.loads((out(ratchet) / f"all/{first.id}.json").read_text())
    assert (record["output"], record["execution"]["origin"]) == ({"n": 1}, "mcp")
    assert sorted((out(ratchet) / "own/reporting.csv").read_text().splitlines()) == ["1", "2", "n"]


async def test_a_run_that_fails_goes_where_failures_go(ratchet: Ratchet) -> None:
    failed = await run(ratchet, "failing")
    [everywhere] = await all_of(ratchet, execution_id=failed.id)
    record = json.loads((out(ratchet) / f"all/{failed.id}.json").read_text())
    assert (everywhere.event, record["error"]["code"], "output" in record) == ("failed", "task_error", False)


async def test_a_run_that_took_too_long_has_failed(ratchet: Ratchet) -> None:
    late = await (await ratchet.execute("forever", {}, origin=Origin.REST, timeout_seconds=0.2)).wait(None)
    assert late.status is Status.TIMED_OUT
    assert [(each.event, each.status) for each in await all_of(ratchet, execution_id=late.id)] == [("failed", DeliveryStatus.DELIVERED)]


async def test_a_schedule_hands_its_destinations_to_its_jobs(ratchet: Ratchet) -> None:
    with pytest.raises(DeliveryInvalid, match="does not go up"):
        await ratchet.schedules.create(ScheduleRequest("plain", "0 0 29 2 *", delivery=[{"type": "file", "path": "../a.json"}]))
    destination = {"type": "file", "path": "scheduled/{{ job.schedule_id }}.json"}
    made = await ratchet.schedules.create(ScheduleRequest("plain", "0 0 29 2 *", input={"n": 1}, delivery=[destination]))
    with closing(sqlite3.connect(str(ratchet.settings.store.url).removeprefix("sqlite:///"), isolation_level=None)) as database:
        database.execute("UPDATE schedules SET next_run = ? WHERE id = ?", (time.time_ns() // 1000, made.id.replace("-", "")))
    with anyio.fail_after(LIMIT_SECONDS):
        while not (jobs := (await ratchet.jobs.find(schedule_id=made.id)).jobs):
            await anyio.sleep(0.02)
    await ratchet.jobs.wait(jobs[0].id, LIMIT_SECONDS)
    assert [each.status for each in await all_of(ratchet, job_id=jobs[0].id)] == [DeliveryStatus.DELIVERED] * 2
    assert json.loads((out(ratchet) / f"scheduled/{made.id}.json").read_text()) == {"n": 1}


async def test_a_destination_of_a_task_that_cannot_be_used_is_a_delivery_that_failed(ratchet: Ratchet) -> None:
    done = await run(ratchet, "misled")
    assert done.status is Status.COMPLETED
    [everywhere, unusable] = await all_of(ratchet, execution_id=done.id)
    assert everywhere.status is DeliveryStatus.DELIVERED
    assert (unusable.kind, unusable.status, unusable.attempts) == ("unusable", DeliveryStatus.FAILED, 0)
    assert unusable.last_error is not None and "does not go up" in unusable.last_error["message"]
    report = await ratchet.authoring.validation.saved("misled")
    assert "unusable-delivery" in [each.code for each in report.findings]


async def test_tests_debugging_the_command_line_called_tasks_and_cancelled_runs_are_not_delivered(ratchet: Ratchet) -> None:
    runs = [await run(ratchet, "plain", origin=origin) for origin in (Origin.TEST, Origin.CLI)]
    task = await ratchet.catalog.resolve("plain")
    runs.append((await ratchet.debugging.run(task, {}, origin=Origin.MCP)).execution)
    cancelled = await ratchet.execute("forever", {}, origin=Origin.MCP)
    cancelled.cancel("enough")
    runs.append(await cancelled.wait(None))
    parent = await run(ratchet, "parent")
    await all_of(ratchet, execution_id=parent.id)
    assert [(await ratchet.deliveries.find(execution_id=each.id)).deliveries for each in runs] == [[]] * 4
    called = (await ratchet.executions.find(parent_id=parent.id)).executions
    assert len(called) == 1
    assert (await ratchet.deliveries.find(execution_id=called[0].id)).deliveries == []


async def test_a_job_is_delivered_at_its_end_and_not_at_each_attempt(ratchet: Ratchet) -> None:
    path = f"jobs/{uuid4().hex}-{{{{ job.attempts }}}}.json"
    retry = RetryPolicy(attempts=3, delay_seconds=0.01, on=("any",))
    request = JobRequest("failing", {}, retry=retry, delivery=[{"type": "file", "path": path, "content": "record", "events": "both"}])
    job = await ratchet.jobs.wait((await ratchet.jobs.submit(request)).id, LIMIT_SECONDS)
    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 3)
    [everywhere, own] = await all_of(ratchet, job_id=job.id)
    assert (everywhere.event, own.event, own.execution_id) == ("completed", "completed", job.execution_id)
    assert str(own.target).endswith("-3.json")
    record = json.loads((out(ratchet) / str(own.target)).read_text())
    assert (record["job"]["id"], record["job"]["status"], record["output"]) == (job.id, "completed", 3)


async def test_a_job_that_is_given_up_is_delivered_as_failed_and_again_when_it_is_retried(ratchet: Ratchet) -> None:
    job = await ratchet.jobs.wait((await ratchet.jobs.submit(JobRequest("failing", {}))).id, LIMIT_SECONDS)
    assert job.status is JobStatus.FAILED
    assert [each.event for each in await all_of(ratchet, job_id=job.id)] == ["failed"]
    await ratchet.jobs.retry(job.id)
    again = await ratchet.jobs.wait(job.id, LIMIT_SECONDS)
    found = await all_of(ratchet, job_id=job.id)
    assert again.execution_id != job.execution_id
    assert sorted(str(each.execution_id) for each in found) == sorted([str(job.execution_id), str(again.execution_id)])


async def test_a_job_with_a_destination_that_cannot_be_is_not_queued(ratchet: Ratchet) -> None:
    before = len((await ratchet.jobs.find(task="plain", limit=200)).jobs)
    with pytest.raises(DeliveryInvalid) as refused:
        await ratchet.jobs.submit(JobRequest("plain", {}, delivery=[{"type": "file", "path": "/etc/passwd.json"}, {"type": "webhook"}]))
    assert [each["path"] for each in refused.value.details["problems"]] == ["$[0].path", "$[1].url"]
    assert len((await ratchet.jobs.find(task="plain", limit=200)).jobs) == before


async def test_a_batch_in_the_background_is_delivered_with_the_outputs_of_its_requests(ratchet: Ratchet) -> None:
    batches = await ratchet.batches()
    requests = [{"id": "a", "task": "plain", "input": {"n": 1}}, {"id": "b", "task": "plain", "input": {"$from": "a"}}]
    plan = await batches.check(requests)
    request = JobRequest("<batch>", plan.to_dict(), kind="batch", delivery=[{"type": "file", "path": "batch.json"}])
    job = await ratchet.jobs.wait((await ratchet.jobs.submit(request)).id, LIMIT_SECONDS)
    assert job.status is JobStatus.COMPLETED
    await all_of(ratchet, job_id=job.id)
    found = json.loads((out(ratchet) / "batch.json").read_text())
    assert [(each["id"], each["output"]) for each in found] == [("a", {"n": 1}), ("b", {"n": 1})]


async def test_destinations_of_the_settings_are_checked_at_the_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    wrong = settings.delivery.model_copy(update={"destinations": [{"type": "file", "path": "{{ outputs }}.json"}]})
    with pytest.raises(DeliveryInvalid, match="there is no field outputs"):
        async with Ratchet.open(settings.model_copy(update={"delivery": wrong})):
            pass


KILLED = """
import asyncio, os, sys
from pathlib import Path
import anyio
sys.path.insert(0, str(Path(sys.argv[1]).parent))
from test_runs_and_jobs import settings_in
from ratchet_mcp.app import Ratchet
from ratchet_mcp.jobs.models import JobRequest

async def main():
    async with Ratchet.open(settings_in(Path(sys.argv[2]), send=False)) as ratchet:
        settle = ratchet.store.jobs.settle

        def dying(*arguments, **options):
            if sys.argv[3] == "before":
                os.kill(os.getpid(), 9)
            written = settle(*arguments, **options)
            written.add_done_callback(lambda _: os.kill(os.getpid(), 9))
            return written

        ratchet.store.jobs.settle = dying
        job = await ratchet.jobs.submit(JobRequest("reporting", {"n": 7}))
        print(job.id, flush=True)
        await anyio.sleep(60)

anyio.run(main)
"""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_around_the_end_of_a_job_delivers_it_once(tmp_path: Path, when: str) -> None:
    died = await anyio.run_process([sys.executable, "-c", KILLED, __file__, str(tmp_path), when], check=False, stderr=subprocess.DEVNULL)
    assert died.returncode == -9
    job_id = died.stdout.decode().strip()
    async with Ratchet.open(settings_in(tmp_path)) as ratchet:
        job = await ratchet.jobs.wait(job_id, LIMIT_SECONDS)
        assert job.status is JobStatus.COMPLETED
        found = await all_of(ratchet, job_id=job_id)
        assert [each.status for each in found] == [DeliveryStatus.DELIVERED] * 2
        assert (out(ratchet) / "own/reporting.csv").read_text() == "n\n7\n"
