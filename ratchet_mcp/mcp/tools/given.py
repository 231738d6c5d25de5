"""The parts of a task that its author gives to a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments

if TYPE_CHECKING:
    from ratchet_mcp.authoring.drafts import Parts

TEST = "{name, input, expected_output | expected_error: {code?, message_contains?}, match?}"
Reference = Annotated[str, Field(description="name, name@version or UUID", min_length=1, max_length=200)]
Text = Annotated[str | None, Field(default=None)]
Json = Annotated[Any, Field(default=None)]
STRINGS: dict[str, Any] = {"type": "array", "items": schemas.STRING}
FINDING: dict[str, Any] = {
    "code": schemas.STRING,
    "severity": {"type": "string", "enum": ["error", "warning", "hint"]},
    "file": schemas.STRING,
    "message": schemas.STRING,
    "path": schemas.STRING,
    "line": schemas.INTEGER,
    "column": schemas.INTEGER,
    "suggestion": schemas.STRING,
}
FINDINGS = schemas.array_of(FINDING, "code", "severity", "file", "message")


class Given(Arguments):
    """The parts of a task that an author gives."""

    description: Text
    code: Annotated[str | None, Field(default=None, description="JavaScript of main(input, context)")]
    input_schema: Annotated[Any, Field(default=None, description="JSON Schema")]
    output_schema: Json
    tests: Annotated[list[dict[str, Any]] | None, Field(default=None, max_length=200, description=TEST)]

    def parts(self) -> Parts:
        """Return what was given as the service takes it."""
        from ratchet_mcp.authoring.drafts import Parts

        names = set(Parts.__dataclass_fields__) & self.model_fields_set
        return Parts(**{name: getattr(self, name) for name in names})
