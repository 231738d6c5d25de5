"""A task: an immutable value with everything that running it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ratchet_mcp.tasks.annotations import SILENT, Annotations, Expose

if TYPE_CHECKING:
    from ratchet_mcp.tasks.caching import CacheRules
    from ratchet_mcp.tasks.code import PreparedCode
    from ratchet_mcp.tasks.schema import SchemaValidator
    from ratchet_mcp.tasks.testcase import TestCase


@dataclass(frozen=True)
class Task:
    """One version of one task.

    `name` matches `[a-z0-9][a-z0-9_-]{0,63}`, `version` is semver. `source` is the code to the letter, `code_file` its name (`main.js` or
    `task.js`). `origin` is the name of the registry source, `location` the folder or ZIP it was read from. `digest` is the SHA-256 (hex) of
    everything that influences a run: code and both schemas. `timeout_seconds` overrides the default limit when set. `expose` is "tool" when
    the task wants to be a tool of its own, with the hints in `annotations`. `cache` says for how long its results may be given again.
    """

    uuid: UUID
    name: str
    version: str
    title: str
    description: str
    source: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    tests: tuple[TestCase, ...] = ()
    code_file: str = "main.js"
    origin: str = "unsaved"
    location: str | None = None
    digest: str = ""
    timeout_seconds: float | None = None
    expose: Expose | None = None
    annotations: Annotations = SILENT
    cache: CacheRules | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def reference(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"

    def facts(self) -> dict[str, Any]:
        """Return what names and describes the task, as JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "uuid": str(self.uuid),
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
        }

    @cached_property
    def code(self) -> PreparedCode:
        """Parse the code once. Raises `TaskSyntaxError`."""
        from ratchet_mcp.tasks.code import prepare

        return prepare(self.source, file=self.code_file)

    @cached_property
    def input_validator(self) -> SchemaValidator:
        """Compile the input schema once. Raises `TaskInvalid`."""
        from ratchet_mcp.tasks.schema import compile_schema

        return compile_schema(self.input_schema)

    @cached_property
    def output_validator(self) -> SchemaValidator:
        """Compile the output schema once. Raises `TaskInvalid`."""
        from ratchet_mcp.tasks.schema import compile_schema

        return compile_schema(self.output_schema)
