"""Which ends of runs are delivered, and whose word counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.delivery.planning import Planner
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.settings import DeliverySettings, Limits, NetworkSettings, RegistrySettings, SecretSettings, Settings, SourceSettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.delivery import read_delivery
from ratchet_mcp.tasks.loading import make_unsaved

FILE = {"type": "file", "path": "a.json", "events": "both"}


def task(delivery: Any, origin: str = "ours") -> Task:
    return replace(make_unsaved("() => 1", limits=Limits()), name="report", origin=origin, metadata={"delivery": delivery})


def ended(status: Status = Status.COMPLETED, origin: Origin = Origin.MCP, **more: Any) -> Execution:
    return Execution("e1", "report", "1.0.0", status, origin, "local", datetime.now(UTC), **more)


def planner(**delivery: Any) -> Planner:
    sources = [SourceSettings(name="ours", uri="/tasks"), SourceSettings(name="theirs", uri="https://tasks.example.com/index.json")]
    secrets = [SecretSettings(name="HOOK", env="HOOK", hosts=["hooks.example.com"], tasks=["other-*"])]
    settings = Settings(
        delivery=DeliverySettings(roots=[Path("/srv")], **delivery),
        registry=RegistrySettings(sources=sources),
        network=NetworkSettings(secrets=secrets),
    )
    return Planner(settings)


@pytest.mark.parametrize(
    ("status", "event"), [(Status.COMPLETED, "completed"), (Status.FAILED, "failed"), (Status.TIMED_OUT, "failed"), (Status.CANCELLED, None), (Status.INTERRUPTED, None)]
)  # fmt: skip
def test_what_ended_by_itself_is_delivered(status: Status, event: str | None) -> None:
    assert [row.event for row in planner().of_execution(ended(status), task([FILE]))] == ([event] if event else [])


def test_the_job_tells_the_end_of_its_runs_except_of_those_of_a_batch() -> None:
    assert planner().of_execution(ended(job_id="j1"), task([FILE])) == []
    assert planner().of_execution(ended(parent_id="e0"), task([FILE])) == []
    assert [row.key for row in planner().of_execution(ended(job_id="j1", batch_id="j1"), task([FILE]))] == ["e1-0"]


def test_a_task_from_elsewhere_is_only_listened_to_when_the_settings_name_it() -> None:
    assert planner().of_execution(ended(), task([FILE], "theirs")) == []
    assert len(planner(from_remote=["report"]).of_execution(ended(), task([FILE], "theirs"))) == 1


def test_a_task_cannot_send_the_secret_of_another_one() -> None:
    [row] = planner().of_execution(ended(), task([{"type": "webhook", "url": "https://hooks.example.com/", "sign": "HOOK"}]))
    assert (row.kind, row.status, row.destination) == ("unusable", "failed", {})
    assert row.last_error is not None and "not there for the task report" in row.last_error["message"]


@pytest.mark.parametrize(
    ("value", "told"), [("a", "expected a list"), ([1], "expected a list"), ([{"type": "fil"}], 'did you mean "file"?'), ([{}], "has the type null"), ([FILE] * 21, "at most 20")],
    ids=range(5),
)  # fmt: skip
def test_metadata_that_is_no_list_of_destinations_is_refused(value: Any, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_delivery(value)
    assert told in str(refused.value)
