"""Results that are given again: for how long, for which inputs, to whom, and how much room they take."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from task_folders import add_task

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution import cache
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.settings import (
    CacheSettings,
    EngineSettings,
    NetworkSettings,
    RegistrySettings,
    SecretSettings,
    Settings,
    SourceSettings,
    StoreSettings,
)
from ratchet_mcp.tasks.caching import CacheRules
from ratchet_mcp.tasks.definition import Task

HOUR = {"ttl": "1h"}
TASKS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "chance": ("(input) => Math.random()", HOUR),
    "by-city": ("(input) => [input.city, Math.random()]", {"ttl": 60, "key": ["/city"]}),
    "plain": ("(input) => Math.random()", None),
    "failing": ("(input) => { throw new Error('' + Math.random()); }", HOUR),
    "slow": ("(input) => new Promise((resolve) => setTimeout(() => resolve(Math.random()), 200))", HOUR),
    "big": ("(input) => 'x'.repeat(input.size) + Math.random()", HOUR),
    "caller": ("async (input) => [await tasks.call('chance', input), ...(await tasks.all([['chance', input], ['chance', input]]))]", None),
    "logs": ("(input) => { console.log('ran'); return 1; }", HOUR),
}


def settings_for(url: str, folder: Path, **more: Any) -> Settings:
    return Settings(
        store=StoreSettings(url=url),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(folder / "tasks"))]),
        engine=EngineSettings(max_workers=2),
        **{"cache": CacheSettings(max_bytes=20_000, max_entry_bytes=8_000), **more},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cached")
    for name, (code, rules) in TASKS.items():
        add_task(folder / "tasks", name, code, name=name, version="1.0.0", description="For tests.", **({"cache": rules} if rules else {}))
    (folder / "token").write_text("a-secret-value")
    return folder


@pytest.fixture(scope="module", params=["file", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("module_postgres_url")
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/ratchet.db"


@pytest.fixture(scope="module")
async def opened(url: str, folder: Path) -> AsyncIterator[Ratchet]:
    async with Ratchet.open(settings_for(url, folder)) as ratchet:
        yield ratchet


@pytest.fixture
async def ratchet(opened: Ratchet) -> Ratchet:
    """A Ratchet whose cache is empty."""
    await opened.executions.results.repository.purge(datetime.now(UTC))
    return opened


class Clock:
    """What the cache takes for the time."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cache, "now", clock)
    return clock


async def run(ratchet: Ratchet, task: str | Task, value: Any = None, *, origin: Origin = Origin.MCP, **options: Any) -> Execution:
    found = await ratchet.catalog.resolve(task) if isinstance(task, str) else task
    handle = await ratchet.executions.start(
        found, {} if value is None else value, origin=origin, principal=options.pop("principal", LOCAL), **options
    )
    return await handle.wait(30)


async def test_a_hit_is_an_execution_that_says_where_its_output_is_from(ratchet: Ratchet) -> None:
    first, second = await run(ratchet, "chance"), await run(ratchet, "chance")
    assert first.cached is None
    assert second.status is Status.COMPLETED
    assert second.output == first.output
    assert second.id != first.id
    recorded = await ratchet.executions.get(second.id)
    assert recorded.cached_from == first.id
    assert recorded.output == first.output
    assert recorded.cached is not None
    assert recorded.cached["execution_id"] == first.id
    assert recorded.cached == second.cached
    assert recorded.cached["age_seconds"] >= 0
    assert recorded.worker_id is None
    third = await run(ratchet, "chance")
    assert third.cached_from == first.id


async def test_a_task_that_does_not_say_cache_runs_each_time(ratchet: Ratchet) -> None:
    assert (await run(ratchet, "plain")).output != (await run(ratchet, "plain")).output


async def test_a_result_is_given_again_until_its_time_is_over(ratchet: Ratchet, clock: Clock) -> None:
    first = await run(ratchet, "chance")
    clock.pass_by(3599)
    assert (await run(ratchet, "chance")).cached_from == first.id
    clock.pass_by(1)
    again = await run(ratchet, "chance")
    assert again.cached_from is None
    assert (await run(ratchet, "chance")).cached_from == again.id


async def test_a_result_from_before_the_clock_was_set_back_is_not_given_again(ratchet: Ratchet, clock: Clock) -> None:
    first = await run(ratchet, "chance")
    clock.pass_by(-30)
    assert (await run(ratchet, "chance")).cached_from == first.id, "clocks of machines differ a little"
    clock.pass_by(-3600)
    again = await run(ratchet, "chance")
    assert again.cached_from is None
    assert (await run(ratchet, "chance")).cached_from == again.id


async def test_a_shorter_ttl_counts_for_results_that_are_there(ratchet: Ratchet, clock: Clock) -> None:
    task = await ratchet.catalog.resolve("chance")
    first = await run(ratchet, task)
    clock.pass_by(100)
    assert (await run(ratchet, task)).cached_from == first.id
    assert (await run(ratchet, replace(task, cache=CacheRules(90)))).cached_from is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 10**22}, {"a": 1e22}, True),
        ({"a": 9007199254740993}, {"a": 9007199254740992}, True),
        ({"a": 0.0}, {"a": 0}, True),
        ({"a": -0.0}, {"a": 0}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {}, False),
        ([1, 2], [2, 1], False),
        ({"a": 10**400}, {"a": None}, False),
        ({"a": 10**400}, {"a": 1.7976931348623157e308}, False),
        ({"ä": "\u0000"}, {"ä": "\u0000"}, True),
    ],
    ids=str,
)
async def test_equal_inputs_are_those_that_a_task_cannot_tell_apart(ratchet: Ratchet, one: Any, other: Any, same: bool) -> None:
    task = await ratchet.catalog.resolve("chance")
    assert task.cache is not None
    assert (cache.key_of(task, one, task.cache, None) == cache.key_of(task, other, task.cache, None)) is same


async def test_the_key_names_what_of_the_input_counts(ratchet: Ratchet) -> None:
    rome = await run(ratchet, "by-city", {"city": "Rome", "asked_at": 1})
    assert (await run(ratchet, "by-city", {"city": "Rome", "asked_at": 2})).output == rome.output
    assert (await run(ratchet, "by-city", {"city": "Oslo", "asked_at": 1})).output[0] == "Oslo"
    nothing = await run(ratchet, "by-city", {"asked_at": 1})
    assert nothing.cached_from is None
    assert (await run(ratchet, "by-city", {})).cached_from == nothing.id
    assert (await run(ratchet, "by-city", {"city": None})).cached_from is None


async def test_a_new_version_or_other_code_never_gives_old_results(ratchet: Ratchet) -> None:
    task = await ratchet.catalog.resolve("chance")
    first = await run(ratchet, task)
    assert (await run(ratchet, replace(task, version="1.0.1"))).cached_from is None
    assert (await run(ratchet, replace(task, source="() => 7", digest="0" * 64))).output == 7
    assert (await run(ratchet, task)).cached_from == first.id


async def test_only_successes_are_kept(ratchet: Ratchet) -> None:
    first, second = await run(ratchet, "failing"), await run(ratchet, "failing")
    assert first.error is not None
    assert second.error is not None
    assert first.error["message"] != second.error["message"]


async def test_a_fresh_run_takes_no_result_and_leaves_its_own(ratchet: Ratchet) -> None:
    first = await run(ratchet, "chance")
    fresh = await run(ratchet, "chance", fresh=True)
    assert fresh.cached_from is None
    assert fresh.output != first.output
    assert (await run(ratchet, "chance")).cached_from == fresh.id


async def test_tasks_that_are_called_and_jobs_take_results_too(ratchet: Ratchet) -> None:
    first = await run(ratchet, "chance", {"n": 1})
    caller = await run(ratchet, "caller", {"n": 1})
    assert caller.output == [first.output] * 3
    job = await ratchet.jobs.wait((await ratchet.jobs.submit(JobRequest("chance", {"n": 1}))).id, 30)
    execution = await ratchet.executions.get(str(job.execution_id))
    assert (execution.output, execution.cached_from) == (first.output, first.id)


async def test_simultaneous_equal_calls_run_once(ratchet: Ratchet) -> None:
    ended: list[Execution] = []

    async def one() -> None:
        ended.append(await run(ratchet, "slow", {"n": 1}))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(one)
    assert len({execution.output for execution in ended}) == 1
    [leader] = [execution for execution in ended if execution.cached_from is None]
    assert {execution.cached_from for execution in ended} == {None, leader.id}


async def test_those_who_wait_for_a_run_that_is_cancelled_run_themselves(ratchet: Ratchet) -> None:
    task = await ratchet.catalog.resolve("slow")
    handles = [await ratchet.executions.start(task, {"n": 2}, origin=Origin.MCP, principal=LOCAL) for _ in range(2)]
    handles[0].cancel("not me")
    ended = [await handle.wait(30) for handle in handles]
    assert [execution.status for execution in ended] == [Status.CANCELLED, Status.COMPLETED]


async def test_tests_and_mocked_runs_neither_take_nor_leave_results(ratchet: Ratchet) -> None:
    tested = await run(ratchet, "chance", origin=Origin.TEST)
    first = await run(ratchet, "chance")
    assert first.cached_from is None
    assert (await run(ratchet, "chance", origin=Origin.TEST)).cached_from is None
    task = await ratchet.catalog.resolve("chance")
    mocked = await run(ratchet, task, network=await ratchet.executions.network_for(task))
    assert mocked.cached_from is None
    assert len({tested.output, first.output, mocked.output}) == 3
    recorded = await ratchet.recordings.start(task, {}, origin=Origin.MCP)
    assert (await recorded.wait(30)).cached_from is None


async def test_what_was_not_used_for_longest_goes_first(ratchet: Ratchet, clock: Clock) -> None:
    for number in range(3):
        clock.pass_by(1)
        await run(ratchet, "big", {"size": 5_000, "n": number})
    clock.pass_by(1)
    assert (await run(ratchet, "big", {"size": 5_000, "n": 0})).cached_from is not None
    clock.pass_by(1)
    await run(ratchet, "big", {"size": 7_000, "n": 3})
    kept = [(await run(ratchet, "big", {"size": 5_000, "n": number}, origin=Origin.MCP)).cached_from is not None for number in (0, 2)]
    assert kept == [True, True]
    assert sum(size for _, _, size in await ratchet.executions.results.repository.totals(clock())) <= 20_000
    assert (await run(ratchet, "big", {"size": 5_000, "n": 1})).cached_from is None


async def test_an_output_that_is_too_large_is_not_kept_and_says_so(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "big", {"size": 9_000})
    assert "cache.max_entry_bytes allows 8,000" in execution.warnings[0]
    assert (await run(ratchet, "big", {"size": 9_000})).cached_from is None


async def test_purging_one_task_leaves_the_others(ratchet: Ratchet) -> None:
    await run(ratchet, "chance")
    other = await run(ratchet, "logs")
    repository = ratchet.executions.results.repository
    assert await repository.purge(datetime.now(UTC), "chance", "2.0.0") == 0
    assert await repository.purge(datetime.now(UTC), "chance", "1.0.0") == 1
    assert [name for name, _, _ in await repository.totals(datetime.now(UTC))] == ["logs"]
    assert (await run(ratchet, "chance")).cached_from is None
    assert (await run(ratchet, "logs")).cached_from == other.id


async def test_a_purge_also_forgets_the_result_of_a_run_that_is_under_way(ratchet: Ratchet) -> None:
    task = await ratchet.catalog.resolve("slow")
    first = await ratchet.executions.start(task, {}, origin=Origin.MCP, principal=LOCAL)
    await ratchet.executions.results.repository.purge(datetime.now(UTC), "slow")
    after = await run(ratchet, "slow")
    assert (await first.wait(30)).status is Status.COMPLETED
    assert after.cached_from is None
    assert after.output != first.execution.output
    assert (await run(ratchet, "slow")).cached_from == after.id


async def test_servers_that_share_a_database_share_results(ratchet: Ratchet, url: str, folder: Path) -> None:
    first = await run(ratchet, "chance")
    async with Ratchet.open(settings_for(url, folder)) as other:
        assert (await run(other, "chance")).cached_from == first.id
    off = settings_for(url, folder, cache=CacheSettings(enabled=False))
    async with Ratchet.open(off) as other:
        assert (await run(other, "chance")).cached_from is None


async def test_runs_that_are_given_secrets_share_results_with_their_principal_only(ratchet: Ratchet, url: str, folder: Path) -> None:
    network = NetworkSettings(secrets=[SecretSettings(name="TOKEN", file=folder / "token", hosts=["api.example.com"])])
    async with Ratchet.open(settings_for(url, folder, network=network)) as other:
        first = await run(other, "chance")
        assert (await run(other, "chance", principal=Principal("someone-else"))).cached_from is None
        assert (await run(other, "chance")).cached_from == first.id
    assert (await run(ratchet, "chance", principal=Principal("a"))).cached_from is None
    assert (await run(ratchet, "chance", principal=Principal("b"))).cached_from is not None


async def test_a_store_that_cannot_be_read_does_not_keep_a_task_from_running(ratchet: Ratchet, monkeypatch: pytest.MonkeyPatch) -> None:
    from ratchet_mcp.errors import StoreFailed

    async def broken(*_: Any, **__: Any) -> None:
        raise StoreFailed("The disk is full.")

    repository = ratchet.executions.results.repository
    monkeypatch.setattr(repository, "get", broken)
    monkeypatch.setattr(repository, "put", broken)
    execution = await run(ratchet, "logs")
    assert execution.status is Status.COMPLETED
    assert json.dumps(execution.output) == "1"
