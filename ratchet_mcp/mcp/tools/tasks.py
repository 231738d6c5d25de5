"""Tools that show which tasks there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.mcp.results import ToolResult, mirror, success, to_json, wire
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments, Cursor, PageSize
from ratchet_mcp.mcp.tools.spec import READ_ONLY, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.registry.catalog import TaskSummary
    from ratchet_mcp.tasks.definition import Task

MOST_PROBLEMS = 3
Detail = Literal["summary", "names", "schemas"]
Part = Literal["schemas", "source", "tests", "versions"]

TASK_PROPERTIES: dict[str, Any] = {
    "name": schemas.STRING,
    "version": schemas.STRING,
    "uuid": schemas.STRING,
    "title": schemas.STRING,
    "description": schemas.STRING,
    "tags": {"type": "array", "items": schemas.STRING},
    "origin": schemas.STRING,
    "input_schema": {"type": ["object", "boolean"]},
    "output_schema": {"type": ["object", "boolean"]},
    "enabled": schemas.BOOLEAN,
    "remote": schemas.BOOLEAN,
    "hint": schemas.STRING,
}


class ListTasks(Arguments):
    """Arguments of list_tasks."""

    query: Annotated[str | None, Field(description="words to find in name, title, description or tags", max_length=500)] = None
    tags: Annotated[list[str], Field(description="only tasks with all of these tags", default_factory=list[str])]
    detail: Detail = "summary"
    limit: PageSize = 50
    cursor: Cursor = None


class GetTask(Arguments):
    """Arguments of get_task."""

    task: Annotated[str, Field(description="name, name@1.2.0, name@^1.2 or UUID", min_length=1, max_length=200)]
    include: Annotated[
        list[Part], Field(description="parts to show; all by default", default_factory=lambda: ["schemas", "source", "tests", "versions"])
    ]


async def list_tasks(call: Call, arguments: ListTasks) -> ToolResult:
    """Return one page of the catalog; a page that would be too long for a result is made shorter."""
    ratchet = await call.app.get()
    limit = arguments.limit
    while True:
        page = ratchet.catalog.find(query=arguments.query, tags=tuple(arguments.tags), limit=limit, cursor=arguments.cursor)
        listed = [await _listed(ratchet, summary, arguments.detail) for summary in page.tasks]
        structured: dict[str, Any] = {"tasks": listed, "total": page.total}
        if page.next_cursor is not None:
            structured["next_cursor"] = page.next_cursor
        text, sound = mirror(structured)
        if len(text) <= call.characters or len(listed) <= 1:
            return wire(sound, text)
        limit = len(listed) // 2


async def _listed(ratchet: Ratchet, summary: TaskSummary, detail: Detail) -> dict[str, Any]:
    if detail == "names":
        return {"name": summary.name, "version": summary.version}
    row: dict[str, Any] = {
        "name": summary.name,
        "version": summary.version,
        "uuid": str(summary.uuid),
        "title": summary.title,
        "description": summary.description,
        "tags": list(summary.tags),
        "origin": summary.origin,
    }
    row |= {"enabled": False} if not summary.enabled else {}
    row |= {"remote": True} if summary.remote else {}
    if detail == "schemas":
        try:
            task = await ratchet.catalog.resolve(f"{summary.uuid}@{summary.version}", disabled=True)
        except RatchetError as error:
            row["hint"] = f"This task cannot run: {error.message}"
        else:
            row |= {"input_schema": task.input_schema, "output_schema": task.output_schema}
    return row


async def get_task(call: Call, arguments: GetTask) -> ToolResult:
    """Return one task; parts that are too long for a result are cut or left out, with a hint."""
    ratchet = await call.app.get()
    task = await ratchet.catalog.resolve(arguments.task, disabled=True)
    view: dict[str, Any] = {
        **task.facts(),
        "origin": task.origin,
        "registry": _remembered(ratchet.catalog.summary(f"{task.uuid}@{task.version}")),
    }
    problems = ratchet.catalog.problems_of(task.name)
    if problems:
        view["registry"]["problems"] = [each.brief() for each in problems[:MOST_PROBLEMS]]
    parts = _parts(ratchet, task)
    left_out: list[str] = []
    for part in arguments.include:
        for name, value in parts[part].items():
            room = call.characters - len(to_json(view)) - 200
            if len(to_json(value)) <= room:
                view[name] = value
            elif name == "source" and room > 1000:
                view["source"] = task.source[: room * 3 // 4]
                left_out.append(f"source after its first {len(view['source']):,} of {len(task.source):,} characters")
            else:
                left_out.append(name)
    if left_out:
        view["hint"] = f"Too long for one result, so left out: {', '.join(left_out)}. Ask for less with include."
    return success(view)


def _remembered(summary: TaskSummary) -> dict[str, Any]:
    """Return what the store remembers of a version; what it does not know is left out."""
    facts: dict[str, Any] = {
        "source": summary.source_kind,
        "remote": summary.remote,
        "enabled": summary.enabled,
        "in_sync": summary.in_sync,
    }
    instants = {"created_at": summary.created_at, "updated_at": summary.updated_at, "validated_at": summary.validated_at}
    return facts | {name: instant.isoformat(timespec="seconds") for name, instant in instants.items() if instant is not None}


def _parts(ratchet: Ratchet, task: Task) -> dict[Part, dict[str, Any]]:
    return {
        "schemas": {"input_schema": task.input_schema, "output_schema": task.output_schema},
        "source": {"source": task.source},
        "tests": {"tests": [{key: value for key, value in asdict(case).items() if key != "path"} for case in task.tests]},
        "versions": {"versions": ratchet.catalog.versions(task.name)},
    }


TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="list_tasks",
        title="List tasks",
        description=(
            "Find the tasks that can be executed. detail: names, summary (default), or schemas (with JSON Schemas of input and output). "
            'Example: {"query": "csv", "detail": "schemas", "limit": 5}'
        ),
        arguments=ListTasks,
        output=schemas.result(
            {"tasks": schemas.array_of(TASK_PROPERTIES, "name", "version"), "total": schemas.INTEGER, "next_cursor": schemas.STRING}
        ),
        annotations=READ_ONLY,
        handler=list_tasks,
    ),
    ToolSpec(
        name="get_task",
        title="Get a task",
        description='Show one task: schemas, source code, test cases, versions. Example: {"task": "csv-to-json", "include": ["schemas"]}',
        arguments=GetTask,
        output=schemas.result(
            {
                **TASK_PROPERTIES,
                "registry": schemas.OBJECT,
                "source": schemas.STRING,
                "tests": {"type": "array", "items": schemas.OBJECT},
                "versions": {"type": "array", "items": schemas.STRING},
            }
        ),
        annotations=READ_ONLY,
        handler=get_task,
    ),
]
