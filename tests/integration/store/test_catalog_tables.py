"""The tables of authored tasks, of what sources offer, and of what may run, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ratchet_mcp.store.records import AuthoredTask, CatalogRecord
from ratchet_mcp.store.store import Store

THEN = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
UUID = "11111111-1111-4111-8111-111111111111"


def authored(name: str, version: str, code: str = "() => 1") -> AuthoredTask:
    files = {"metadata.json": '{"name": "\\u0000"}', "main.js": code, "tests/ü.json": "[]"}
    return AuthoredTask(name, version, UUID, "d" * 64, files, "somebody", THEN, THEN)


async def test_authored_tasks_are_kept_replaced_and_removed(store: Store) -> None:
    one, two = authored("a", "1.0.0", "// \U0001f600 \u2028\n() => '\\0'"), authored("a", "2.0.0")
    assert await store.authored.revision() == 0
    for task in (one, two, authored("b", "1.0.0")):
        await store.authored.put(task)
    assert await store.authored.revision() == 3
    assert await store.authored.get("a", "1.0.0") == one
    assert await store.authored.get("a", "3.0.0") is None
    later = replace(two, files={"meta.yaml": "x"}, digest="e" * 64, created_at=THEN + timedelta(1), updated_at=THEN + timedelta(1))
    await store.authored.put(later)
    assert await store.authored.get("a", "2.0.0") == replace(later, created_at=THEN)
    heads = {f"{head.name}@{head.version}": head.files for head in store.authored.heads_now()}
    assert heads["a@2.0.0"] == {"meta.yaml": "x"}
    assert heads["b@1.0.0"] == {"metadata.json": '{"name": "\\u0000"}'}
    assert sorted(await store.authored.remove("a")) == ["1.0.0", "2.0.0"]
    assert await store.authored.remove("b", "9.9.9") == []
    assert [task.name for task in await store.authored.all()] == ["b"]
    assert await store.authored.revision() == 5


async def test_what_sources_offer_is_written_and_written_again(store: Store) -> None:
    records = [CatalogRecord("s", f"task-{number}", "1.0.0", UUID, None, "m", THEN, THEN) for number in range(1200)]
    await store.registry.save(records)
    await store.registry.save([])
    changed = replace(records[0], digest="d" * 64, mark="n", created_at=THEN + timedelta(1), validated_at=THEN, removed_at=THEN)
    await store.registry.save([changed])
    found = {record.name: record for record in await store.registry.all()}
    assert len(found) == 1200
    assert found["task-0"] == replace(changed, created_at=THEN)
    assert found["task-1199"] == records[1199]


async def test_what_may_not_run_is_remembered_and_counted(store: Store) -> None:
    assert await store.registry.disabled() == frozenset()
    await store.registry.set_enabled("a", False)
    await store.registry.set_enabled("b", False)
    await store.registry.set_enabled("a", True)
    assert await store.registry.disabled() == {"b"}
    assert await store.registry.revisions() == {"switches": 3}
