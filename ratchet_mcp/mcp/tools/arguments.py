"""Arguments of tools: Pydantic models, their lean JSON Schemas, and errors that tell a model what to change."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.mcp.results import to_json


class Arguments(BaseModel):
    """The arguments of one tool: no unknown names, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _whole(value: Any) -> Any:
    """Take 5.0 for 5: JSON knows one kind of number, and JSON Schema calls both integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _moment(value: Any) -> Any:
    """Read ISO 8601; a time without an offset is UTC."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("a time like 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


A = TypeVar("A", bound=Arguments)
WHOLE = BeforeValidator(_whole)
"""Goes after the bounds of an integer, so that the bounds stay visible in its schema."""
PageSize = Annotated[int, Field(ge=1, le=200), WHOLE]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Since = Annotated[Moment | None, Field(description="not older than this")]
Cursor = Annotated[str | None, Field(default=None, max_length=1000, description="next_cursor of the previous page")]


def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    """Return the JSON Schema of `arguments` without what a model gains nothing from: titles, `null` alternatives, empty defaults.

    What is required comes first.
    """
    full = arguments.model_json_schema()
    properties: dict[str, Any] = full.get("properties", {})
    required: list[str] = full.get("required", [])
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _lean(properties[name]) for name in [*required, *(name for name in properties if name not in required)]},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    return schema


def _lean(prop: dict[str, Any]) -> dict[str, Any]:
    lean = {key: value for key, value in prop.items() if key not in ("title", "anyOf") and not (key == "default" and not value)}
    for alternative in prop.get("anyOf", ()):
        if alternative.get("type") != "null":
            lean = {**alternative, **lean}
    return lean


def parse(tool: str, arguments: type[A], given: dict[str, Any]) -> A:
    """Check `given` against `arguments`. Raises `InvalidArgument` that names each JSON path and what to do."""
    try:
        return arguments.model_validate(given)
    except ValidationError as problem:
        names = list(arguments.model_fields)
        violations = [_violation(tool, names, error) for error in problem.errors(include_url=False)]
    raise InvalidArgument(
        f"{tool} was not called: " + " ".join(violation["message"] for violation in violations),
        hint="Correct the arguments and call again.",
        details={"violations": violations},
    )


def _violation(tool: str, names: list[str], error: ErrorDetails) -> dict[str, str]:
    path = "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "missing":
        message = f"{path} is required."
    elif error["type"] == "extra_forbidden":
        near = get_close_matches(name, names, n=1)
        advice = f"did you mean {near[0]}?" if near else f"its arguments are {', '.join(names)}." if names else "it takes none."
        message = f"{path} is not an argument of {tool}; {advice}"
    else:
        reason = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        message = f"{path} should be {reason}, not {_shown(error['input'])}."
    return {"path": path, "message": message}


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    text = to_json(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
