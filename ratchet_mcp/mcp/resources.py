"""Resources: tasks and their files, the output, console and error of executions, and the guide for authors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    Annotations,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from ratchet_mcp.errors import AmbiguousTask, ExecutionNotFound, InvalidArgument, InvalidCursor, TaskNotFound
from ratchet_mcp.mcp.contents import read_execution, read_task
from ratchet_mcp.mcp.guide import guide
from ratchet_mcp.mcp.results import printable
from ratchet_mcp.mcp.uris import EXECUTION, GUIDE, TASK, read_execution_uri, read_task_uri, task_uri
from ratchet_mcp.tasks.visible import visible

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from ratchet_mcp.mcp.tools.spec import RatchetSource
    from ratchet_mcp.registry.catalog import TaskSummary
    from ratchet_mcp.settings import Settings

PAGE = 100
MARKDOWN, JSON, SCHEMA, SCRIPT, TEXT = "text/markdown", "application/json", "application/schema+json", "text/javascript", "text/plain"
GUIDE_RESOURCE = Resource(
    uri=GUIDE,
    name="guide",
    title="Guide for authors of tasks",
    description="Forms of the function, globals, schemas, tests, errors, limits: everything to know before writing a task.",
    mime_type=MARKDOWN,
    annotations=Annotations(audience=["assistant"], priority=0.9),
)
TEMPLATES = [
    ResourceTemplate(uri_template=uri, name=name, title=title, description=description, mime_type=mime_type)
    for uri, name, title, description, mime_type in (
        (f"{TASK}{{name}}", "task", "Task", "What a task is, and its versions, as JSON.", JSON),
        (f"{TASK}{{name}}@{{version}}/main.js", "code", "Code of a task", "The JavaScript.", SCRIPT),
        (f"{TASK}{{name}}@{{version}}/input.schema.json", "input-schema", "Input schema of a task", "JSON Schema.", SCHEMA),
        (f"{TASK}{{name}}@{{version}}/output.schema.json", "output-schema", "Output schema of a task", "JSON Schema.", SCHEMA),
        (f"{TASK}{{name}}@{{version}}/tests", "tests", "Tests of a task", "Its test cases as a JSON list.", JSON),
        (f"{EXECUTION}{{id}}/output", "output", "Output of an execution", "The whole output as JSON text.", JSON),
        (f"{EXECUTION}{{id}}/logs", "logs", "Console of an execution", "Every line that the code printed.", TEXT),
        (f"{EXECUTION}{{id}}/error", "error", "Error of an execution", "The whole error as JSON text.", JSON),
    )
]


class Resources:
    """The handlers of `resources/*` that read."""

    def __init__(self, app: RatchetSource, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def list(self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None) -> ListResourcesResult:
        """Return one page of tasks, the guide before the first; executions are reached by the templates."""
        cursor = params.cursor if params else None
        catalog = (await self._app.get()).catalog
        try:
            page = catalog.find(limit=PAGE, cursor=cursor)
        except InvalidCursor as error:
            raise MCPError(code=INVALID_PARAMS, message=f"Invalid cursor: {error.message}") from None
        tasks = [_listed(summary) for summary in page.tasks]
        return ListResourcesResult(resources=tasks if cursor else [GUIDE_RESOURCE, *tasks], next_cursor=page.next_cursor)

    async def list_templates(
        self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """Return what can be read of tasks and executions."""
        return ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def read(self, context: ServerRequestContext[Any, Any], params: ReadResourceRequestParams) -> ReadResourceResult:
        """Return one resource. One that is not there is a protocol error."""
        uri = str(params.uri)
        mime_type, text = await self._read(uri)
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=mime_type, text=printable(text))])

    async def _read(self, uri: str) -> tuple[str, str]:
        if uri == GUIDE:
            return MARKDOWN, guide(self._settings.limits)
        task, execution = read_task_uri(uri), read_execution_uri(uri)
        try:
            if task is not None:
                return await read_task(await self._app.get(), task)
            if execution is not None:
                return await read_execution(await self._app.get(), *execution)
        except (TaskNotFound, AmbiguousTask, InvalidArgument, ExecutionNotFound) as error:
            raise not_found(uri, f"{error.message} {error.hint or ''}".strip()) from None
        known = ", ".join(template.uri_template for template in TEMPLATES)
        raise not_found(uri, f"Resources are {GUIDE}, {known}.")


def not_found(uri: str, message: str) -> MCPError:
    """Return the error of a resource that is not there."""
    return MCPError(code=INVALID_PARAMS, message=f"Resource not found: {message}", data={"uri": uri[:500]})


def _listed(summary: TaskSummary) -> Resource:
    return Resource(
        uri=task_uri(summary.name),
        name=summary.name,
        title=visible(summary.title, 100),
        description=visible(summary.description, 300),
        mime_type=JSON,
    )
