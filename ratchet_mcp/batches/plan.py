"""What a batch is to do: its requests, checked together before any of them runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, cast

import orjson

from ratchet_mcp.batches.conditions import Condition, read_condition
from ratchet_mcp.batches.models import MODES, Mode
from ratchet_mcp.batches.references import Mistake, Where, find_references
from ratchet_mcp.errors import BatchInvalid
from ratchet_mcp.store.records import JsonText
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import did_you_mean, json_path, shown

KEYS = ("id", "task", "input", "depends_on", "when")
MAX_ID = 64
MOST_TOLD = 50
"""How many problems of one batch are told."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `needs` are the ids it waits for: those of `depends_on`, of the references in its input and of `when`."""

    id: str
    task: str
    input: Any
    when: Condition | None = None
    needs: tuple[str, ...] = ()
    refers: bool = False
    index: int = 0
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of a batch in the order in which they were given. `max_parallel` of them run at the same time, at most."""

    requests: tuple[Request, ...]
    mode: Mode
    max_parallel: int
    stop_on_error: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON, each task pinned to its version."""
        requests = [{**request.given, "task": request.task, "input": request.input} for request in self.requests]
        return {"requests": requests, "mode": self.mode, "max_parallel": self.max_parallel, "stop_on_error": self.stop_on_error}

    def to_json(self) -> JsonText:
        """Return the plan as JSON text; its inputs may hold integers beyond 64 bits, as those of executions."""
        body = self.to_dict()
        try:
            return JsonText(orjson.dumps(body).decode())
        except TypeError:
            return JsonText(json.dumps(body, ensure_ascii=False, separators=(",", ":")))

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Plan:
        """Read what `to_dict` wrote. Raises `BatchInvalid`."""
        problems = PlanProblems()
        requests = read_requests(body["requests"], body["mode"], problems)
        problems.refuse()
        return cls(tuple(requests), body["mode"], body["max_parallel"], body["stop_on_error"])


class PlanProblems:
    """Everything that is wrong with a batch."""

    def __init__(self) -> None:
        self.violations: list[dict[str, str]] = []

    def add(self, message: str, *where: str | int) -> None:
        """Note a problem at a place of the batch."""
        self.violations.append({"path": json_path(where), "message": message})

    def refuse(self) -> None:
        """Raise `BatchInvalid` with all problems, if there are any."""
        if not self.violations:
            return
        first, count = self.violations[0], len(self.violations)
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise BatchInvalid(
            f"The batch cannot run: {first['path']}: {first['message']}{more}", details={"violations": self.violations[:MOST_TOLD]}
        )


def read_mode(mode: Any, problems: PlanProblems) -> Mode:
    """Return the mode, `dependency` when none is given."""
    if mode is None or mode in MODES:
        return mode or "dependency"
    problems.add(f"the mode is one of {', '.join(MODES)}, not {shown(mode)}", "mode")
    return "dependency"


def read_requests(given: Any, mode: Mode, problems: PlanProblems) -> list[Request]:
    """Read requests in their order; what is wrong with them and between them is noted."""
    if not is_array(given) or not given:
        problems.add(f"a list of requests is expected, each {{id, task, input}}, not {shown(given)}", "requests")
        return []
    requests: list[Request] = []
    places: dict[str, int] = {}
    for index, each in enumerate(given):
        request = _read_request(each, index, problems)
        if request is None:
            continue
        if request.id in places:
            problems.add(f"the id {shown(request.id)} is that of request {places[request.id] + 1} already", "requests", index, "id")
            continue
        places[request.id] = index
        requests.append(request)
    _check_needs(requests, places, mode, problems)
    return requests


def _read_request(given: Any, index: int, problems: PlanProblems) -> Request | None:
    where = ("requests", index)
    if not is_object(given):
        problems.add(f"a request is an object with {', '.join(KEYS)}, not {shown(given)}", *where)
        return None
    before = len(problems.violations)
    for key in given:
        if key not in KEYS:
            problems.add(f"a request has no {shown(key)}{did_you_mean(key, KEYS)}; its members are {', '.join(KEYS)}", *where)
    id, task = given.get("id"), given.get("task")
    if not isinstance(id, str) or not 0 < len(id) <= MAX_ID or not id.isprintable():
        problems.add(f"the id is a text of 1 to {MAX_ID} characters that can be seen, not {shown(id)}", *where, "id")
    if not isinstance(task, str) or not 0 < len(task) <= 200:
        problems.add(f"the task is a name, name@version or UUID, not {shown(task)}", *where, "task")
    depends_on = _read_depends_on(given.get("depends_on"), where, problems)
    when = _read_when(given.get("when"), where, problems)
    references = list(_references(given.get("input"), where, problems))
    if len(problems.violations) > before and (not isinstance(id, str) or not isinstance(task, str)):
        return None
    needs: dict[str, None] = dict.fromkeys([*depends_on, *([when.id] if when else []), *references])
    kept = {key: given[key] for key in ("id", "depends_on", "when") if given.get(key) is not None}
    return Request(cast("str", id), cast("str", task), given.get("input", {}), when, tuple(needs), bool(references), index, kept)


def _read_depends_on(given: Any, where: Where, problems: PlanProblems) -> list[str]:
    if given is None or (is_array(given) and all(isinstance(each, str) for each in given)):
        return given or []
    problems.add(f"depends_on is a list of ids of other requests, not {shown(given)}", *where, "depends_on")
    return []


def _read_when(given: Any, where: Where, problems: PlanProblems) -> Condition | None:
    if given is None:
        return None
    try:
        return read_condition(given)
    except ValueError as error:
        problems.add(str(error), *where, "when")
        return None


def _references(value: Any, where: Where, problems: PlanProblems) -> Iterator[str]:
    for found in find_references(value):
        if isinstance(found, Mistake):
            problems.add(found.message, *where, "input", *found.where)
        else:
            yield found.id


def _check_needs(requests: Sequence[Request], places: Mapping[str, int], mode: Mode, problems: PlanProblems) -> None:
    """Note needs that cannot be met: unknown ids, the wrong order, a circle."""
    before = len(problems.violations)
    for request in requests:
        for need in request.needs:
            wrong = _unmet(request, need, places, mode)
            if wrong is not None:
                problems.add(f"{shown(request.id)} needs {shown(need)}{wrong}", "requests", places[request.id])
    if len(problems.violations) > before:
        return
    try:
        TopologicalSorter({request.id: request.needs for request in requests}).prepare()
    except CycleError as error:
        circle = [shown(id) for id in reversed(error.args[1])]
        problems.add(f"the requests wait for each other in a circle: {' needs '.join(circle)}", "requests")


def _unmet(request: Request, need: str, places: Mapping[str, int], mode: Mode) -> str | None:
    if need not in places:
        return f"{did_you_mean(need, places)}, which is no request's id"
    if mode == "parallel":
        return ", and in mode parallel nothing waits: use mode dependency"
    if mode == "sequential" and places[need] >= places[request.id]:
        return ", which comes later: change the order, or use mode dependency"
    return None
