"""Schemas of tasks: compiled once, then asked for violations on every run."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.tasks.patterns import start_validation
from ratchet_mcp.tasks.quick import quick_check
from ratchet_mcp.tasks.schema_checks import check_schema, draft_of
from ratchet_mcp.tasks.violations import Violation, describe

__all__ = ["SchemaValidator", "Violation", "compile_schema"]


class SchemaValidator:
    """Checks values against one schema. Made by `compile_schema`; may be used by several threads."""

    __slots__ = ("_accepts_all", "_quick", "_validator", "schema")

    def __init__(self, schema: Any, validator: Any) -> None:
        self.schema = schema
        self._validator = validator
        self._accepts_all = schema is True or schema == {}
        self._quick = quick_check(schema)

    def violations(self, value: Any, limit: int = 20) -> list[Violation]:
        """Return what is wrong with a JSON value, at most `limit` things; an empty list means valid."""
        if self._accepts_all or (self._quick is not None and self._quick(value)):
            return []
        start_validation()
        found: dict[Violation, None] = {}
        try:
            for error in self._validator.iter_errors(value):
                found.update(dict.fromkeys(describe(error)))
                if len(found) >= limit:
                    break
        except RecursionError:
            found[Violation("$", "the value is nested too deeply to be checked", "depth")] = None
        return list(found)[:limit]


def compile_schema(schema: Any, *, file: str = "schema") -> SchemaValidator:
    """Check a schema and compile it.

    The dialect is draft 2020-12 unless `$schema` names an older one. Raises `TaskInvalid`; `details.problems` lists all that is wrong.
    """
    problems = check_schema(schema, file)
    if problems:
        listed = "; ".join(f"{problem.get('path', '$')}: {problem['message']}" for problem in problems[:3])
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise TaskInvalid(f"{file} is not a usable schema: {listed}{more}", details={"problems": problems})
    from ratchet_mcp.tasks.formats import format_checker
    from ratchet_mcp.tasks.keywords import extend

    return SchemaValidator(schema, extend(draft_of(schema))(schema, format_checker=format_checker()))
