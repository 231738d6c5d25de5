"""A question that a running task puts to its user: a message, and the form of the answer.

The form is what MCP allows in an elicitation: a JSON Schema of an object whose properties are plain values, or lists of choices.
Source: the sections "Requested Schema" of the MCP specification, revisions 2025-11-25 and 2026-07-28.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ratchet_mcp.errors import InvalidQuestion, TaskInvalid
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import shown

MAX_MESSAGE = 4_000
MAX_SCHEMA = 64 << 10
MAX_PROPERTIES = 50
MAX_CHOICES = 200
MAX_ANSWER = 64 << 10
"""Characters of an answer as JSON."""

_ANY = {"type", "title", "description", "default"}
_CHOICES = {"enum", "enumNames", "oneOf"}
_KINDS: dict[str, set[str]] = {
    "string": _ANY | _CHOICES | {"minLength", "maxLength", "pattern", "format"},
    "number": _ANY | {"minimum", "maximum"},
    "integer": _ANY | {"minimum", "maximum"},
    "boolean": _ANY,
    "array": _ANY | {"items", "minItems", "maxItems"},
}
_FORMATS = ("email", "uri", "date", "date-time")
_ROOT = {"$schema", "type", "properties", "required", "title", "description", "additionalProperties"}


@dataclass(frozen=True, slots=True)
class Question:
    """A message for the user, and the JSON Schema of the answer. Made by `Question.read`."""

    message: str
    schema: dict[str, Any]

    @classmethod
    def read(cls, arguments: Any) -> Question:
        """Read what `ask(message, schema)` was given; without a schema the question is a yes or no. Raises `InvalidQuestion`."""
        given: dict[str, Any] = arguments if is_object(arguments) else {}
        message: Any = given.get("message")
        schema: Any = given.get("schema")
        if not isinstance(message, str) or not message.strip():
            raise InvalidQuestion("ask(message, schema) needs a message for the user.")
        if len(message) > MAX_MESSAGE:
            raise InvalidQuestion(f"The message of a question has {len(message)} characters; at most {MAX_MESSAGE} are allowed.")
        schema = {"type": "object", "properties": {}} if schema is None else schema
        if len(json.dumps(schema)) > MAX_SCHEMA:
            raise InvalidQuestion(f"The schema of a question may have {MAX_SCHEMA} characters of JSON.")
        problems = [{"path": path, "message": text} for path, text in _problems(schema)]
        if problems:
            raise InvalidQuestion(
                f"The schema of the question cannot be asked for: {problems[0]['path']}: {problems[0]['message']}",
                details={"violations": problems[:20]},
            )
        question = cls(message, schema)
        try:
            question.violations({})
        except TaskInvalid as error:
            raise InvalidQuestion(error.message, details={"violations": error.details.get("problems", [])[:20]}) from None
        return question

    @property
    def digest(self) -> str:
        """Return what names this question: 16 hexadecimal digits."""
        text = json.dumps([self.message, self.schema], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def violations(self, content: Any) -> list[dict[str, Any]]:
        """Return what is wrong with the content of an answer, as `{path, message, keyword}`."""
        from ratchet_mcp.tasks.schema import compile_schema

        if is_object(content) and len(json.dumps(content)) > MAX_ANSWER:
            return [{"path": "$", "message": f"is longer than {MAX_ANSWER} characters of JSON", "keyword": "maxLength"}]
        schema = {**self.schema, "type": "object"}
        return [violation.to_dict() for violation in compile_schema(schema, file="the question").violations(content)]

    def wanted(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the members of an answer that the question has asked for."""
        return {name: value for name, value in content.items() if name in self.schema["properties"]}


def _problems(schema: Any) -> list[tuple[str, str]]:
    if not is_object(schema):
        return [("$", f"expected a JSON Schema of an object, got {shown(schema)}")]
    found = [(f"$.{key}", "is not allowed in a question") for key in schema if key not in _ROOT]
    if schema.get("type", "object") != "object":
        found.append(("$.type", f'expected "object", got {shown(schema["type"])}'))
    properties = schema.get("properties")
    if not is_object(properties):
        return [*found, ("$.properties", "a question needs properties: an object of plain values")]
    if len(properties) > MAX_PROPERTIES:
        return [*found, ("$.properties", f"there are {len(properties)}; at most {MAX_PROPERTIES} are allowed")]
    for name, each in properties.items():
        found += _property(f"$.properties.{name}", each)
    required: Any = schema.get("required", [])
    if not is_array(required) or not all(isinstance(name, str) and name in properties for name in required):
        found.append(("$.required", "expected a list of names of the properties"))
    return found


def _property(path: str, schema: Any) -> list[tuple[str, str]]:
    if not is_object(schema):
        return [(path, f"expected a JSON Schema, got {shown(schema)}")]
    kind: Any = schema.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        return [(f"{path}.type", f"expected string, number, integer, boolean or array (of choices), got {shown(kind)}")]
    found = [(f"{path}.{key}", "is not allowed in a question: answers are plain values") for key in schema if key not in _KINDS[kind]]
    if schema.get("format") not in (None, *_FORMATS):
        found.append((f"{path}.format", f"expected one of {', '.join(_FORMATS)}, got {shown(schema['format'])}"))
    if kind == "array":
        items: Any = schema.get("items")
        if not is_object(items) or not ({"enum"} <= items.keys() <= {"type", "enum"} or {"anyOf"} == items.keys()):
            return [*found, (f"{path}.items", "a list holds choices: items needs enum, or anyOf with const and title")]
        return found + _choices(f"{path}.items", items)
    return found + _choices(path, schema)


def _choices(path: str, schema: dict[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key in ("enum", "enumNames", "oneOf", "anyOf"):
        if key not in schema:
            continue
        choices: Any = schema[key]
        if not is_array(choices) or not 1 <= len(choices) <= MAX_CHOICES:
            found.append((f"{path}.{key}", f"expected a list of 1 to {MAX_CHOICES} choices"))
        elif not all(isinstance(each, str) if key.startswith("enum") else _is_titled(each) for each in choices):
            wanted = "strings" if key.startswith("enum") else 'objects such as {"const": "red", "title": "Red"}'
            found.append((f"{path}.{key}", f"expected {wanted}"))
    return found


def _is_titled(choice: Any) -> bool:
    return is_object(choice) and choice.keys() == {"const", "title"} and all(isinstance(part, str) for part in choice.values())
