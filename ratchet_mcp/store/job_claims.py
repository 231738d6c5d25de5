"""Claiming: which queued jobs a process takes next, in one transaction.

The order is priority, then `run_at`, then id, straight from an index. Jobs of tasks that are paused or at a limit may head that order in
any number; then the tasks with queued jobs are gone through by an index (task, order) instead, which costs a look for each task and
not for each job.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, literal_column, select, text, update
from uuid_utils import uuid7

from ratchet_mcp.store.job_controls import read_controls
from ratchet_mcp.store.job_records import COLUMNS, ControlRecord, JobRecord
from ratchet_mcp.store.statements import CONTROLS, JOBS, indexed
from ratchet_mcp.store.types import to_microseconds

ALL = "*"
MICROSECONDS = 1_000_000

_QUEUED = JOBS.c.status == literal_column("'queued'")
"""Not a parameter: a partial index serves only conditions that say what it says."""
_ORDER = (JOBS.c.priority, JOBS.c.run_at, JOBS.c.id)
_ROWS = select(*(JOBS.c[name] for name in COLUMNS)).with_for_update(skip_locked=True)
_FIRST = _ROWS.where(_QUEUED).order_by(*_ORDER).limit(bindparam("most"))
_FIRST_OF = {"postgresql": _FIRST, "sqlite": indexed(_FIRST, "ix_jobs_claim")}
_THESE = _ROWS.where(_QUEUED, JOBS.c.id.in_(bindparam("ids", expanding=True)))
_RUNNING = (
    select(JOBS.c.task, func.count())
    .where(JOBS.c.status == literal_column("'running'"), JOBS.c.task.in_(bindparam("tasks", expanding=True)))
    .group_by(JOBS.c.task)
)
_TAKE = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("row_id"), _QUEUED)
    .values(
        status="running",
        owner=bindparam("by"),
        attempts=JOBS.c.attempts + 1,
        execution_id=bindparam("execution"),
        updated_at=bindparam("at"),
    )
)
_STARTS = update(CONTROLS).where(CONTROLS.c.name == bindparam("task")).values(starts=bindparam("latest"))
_BY_TASK = """
WITH RECURSIVE names(task) AS (
    SELECT min(task) FROM jobs {by_task} WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT min(one.task) FROM jobs AS one {by_task} WHERE one.status = 'queued' AND one.task > names.task)
    FROM names WHERE names.task IS NOT NULL
)
SELECT jobs.id, jobs.task FROM names JOIN jobs ON jobs.id IN (
    SELECT one.id FROM jobs AS one {by_task} WHERE one.status = 'queued' AND one.task = names.task
    ORDER BY one.priority, one.run_at, one.id LIMIT :most
)
WHERE names.task NOT IN :blocked
ORDER BY jobs.priority, jobs.run_at, jobs.id
"""
_BY_TASK_OF = {
    dialect: text(_BY_TASK.format(by_task=hint))
    .bindparams(bindparam("blocked", type_=JOBS.c.task.type, expanding=True))
    .columns(JOBS.c.id, JOBS.c.task)
    for dialect, hint in (("sqlite", "INDEXED BY ix_jobs_claim_task"), ("postgresql", ""))
}


@dataclass(slots=True)
class Rules:
    """How many more jobs of each limited task may start now; a task that is not in `left` may start any number."""

    paused: bool = False
    left: dict[str, int] = field(default_factory=dict[str, int])
    paced: dict[str, ControlRecord] = field(default_factory=dict[str, ControlRecord])

    def choose(self, tasks: Sequence[tuple[Any, str]], most: int) -> tuple[list[Any], bool]:
        """Return the first `most` of `(what, task)` pairs that may start, and whether any had to be left out."""
        left = dict(self.left)
        chosen: list[Any] = []
        skipped = False
        for what, task in tasks:
            if len(chosen) == most:
                break
            free = left.get(task)
            if free is not None:
                if free <= 0:
                    skipped = True
                    continue
                left[task] = free - 1
            chosen.append(what)
        return chosen, skipped


def claim(
    connection: Connection,
    owner: str,
    most: int,
    now: datetime,
    only: Sequence[str] | None = None,
    without: Collection[str] = (),
) -> list[JobRecord]:
    """Take up to `most` queued jobs for a process, or of `only` these what may start; each gets the id of its next execution."""
    rules = _rules(connection, now)
    if rules.paused:
        return []
    rules.left.update(dict.fromkeys(without, 0))
    rows = _candidates(connection, rules, most) if only is None else _of_these(connection, rules, most, only)
    records = [JobRecord.of_row(row) for row in rows]
    if not records:
        return []
    for record in records:
        record.status, record.owner, record.updated_at = "running", owner, now
        record.execution_id = str(uuid7()) if record.kind == "task" else None  # a batch has many
        record.attempts += 1
    taken = [{"row_id": each.id, "by": owner, "execution": each.execution_id, "at": now} for each in records]
    connection.execute(_TAKE, taken if len(taken) > 1 else taken[0])
    _note_starts(connection, rules, records, now)
    return records


def _candidates(connection: Connection, rules: Rules, most: int) -> Sequence[Any]:
    rows = connection.execute(_FIRST_OF[connection.dialect.name], {"most": most}).mappings().all()
    if not rules.left:
        return rows
    chosen, skipped = rules.choose([(row, row["task"]) for row in rows], most)
    if not skipped:
        return chosen
    blocked = [task for task, free in rules.left.items() if free <= 0]
    found = connection.execute(_BY_TASK_OF[connection.dialect.name], {"most": most, "blocked": blocked}).all()
    ids, _ = rules.choose([(row.id, row.task) for row in found], most)
    if not ids:
        return []
    by_id = {row["id"]: row for row in connection.execute(_THESE, {"ids": ids}).mappings()}
    return [by_id[id] for id in ids if id in by_id]


def _of_these(connection: Connection, rules: Rules, most: int, ids: Sequence[str]) -> Sequence[Any]:
    rows = {row["id"]: row for row in connection.execute(_THESE, {"ids": list(ids)}).mappings()}
    return rules.choose([(rows[id], rows[id]["task"]) for id in ids if id in rows], most)[0]


def _rules(connection: Connection, now: datetime) -> Rules:
    rules = Rules()
    counted: dict[str, int] = {}
    for control in read_controls(connection, lock=True):
        if control.name == ALL:
            rules.paused = rules.paused or control.paused
        elif control.paused:
            rules.left[control.name] = 0
        else:
            if control.pace is not None:
                rules.paced[control.name] = control
                rules.left[control.name] = control.pace[0] - len(_recent(control, now))
            if control.most is not None:
                counted[control.name] = control.most
    if counted:
        running: dict[str, int] = {row[0]: row[1] for row in connection.execute(_RUNNING, {"tasks": list(counted)})}
        for task, limit in counted.items():
            free = limit - running.get(task, 0)
            rules.left[task] = min(free, rules.left.get(task, free))
    return rules


def _recent(control: ControlRecord, now: datetime) -> list[int]:
    """Return the starts that count for the rate. One from the future means that the clock was set back: it counts no more."""
    if control.pace is None:
        return []
    at = to_microseconds(now)
    oldest = at - int(control.pace[1] * MICROSECONDS)
    return [start for start in control.starts if oldest < start <= at]


def _note_starts(connection: Connection, rules: Rules, records: Sequence[JobRecord], now: datetime) -> None:
    for task, control in rules.paced.items():
        new = sum(record.task == task for record in records)
        if new:
            latest = _recent(control, now) + [to_microseconds(now)] * new
            connection.execute(_STARTS, {"task": task, "latest": latest})
