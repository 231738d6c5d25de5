"""Output schemas that several tools share."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.execution.models import Origin, Status

STRING: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
INTEGER: dict[str, Any] = {"type": "integer"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
OBJECT: dict[str, Any] = {"type": "object"}
STATUS: dict[str, Any] = {"type": "string", "enum": [status.value for status in Status]}
ORIGIN: dict[str, Any] = {"type": "string", "enum": [origin.value for origin in Origin]}

ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {"code": STRING, "message": STRING, "retryable": BOOLEAN, "hint": STRING, "details": OBJECT},
    "required": ["code", "message"],
}

EXECUTION: dict[str, Any] = {
    "execution_id": STRING,
    "task": STRING,
    "version": STRING,
    "status": STATUS,
    "output": {"description": "Any JSON value; left out when it is too long for a result."},
    "output_truncated": BOOLEAN,
    "output_bytes": INTEGER,
    "output_preview": STRING,
    "error": ERROR,
    "duration_ms": NUMBER,
    "queue_ms": NUMBER,
    "cached": {"type": "object", "properties": {"execution_id": STRING, "age_seconds": NUMBER}},
    "progress": OBJECT,
    "warnings": {"type": "array", "items": STRING},
    "limits": OBJECT,
    "hint": STRING,
}

FULL: dict[str, Any] = {
    **EXECUTION,
    "origin": ORIGIN,
    "created_at": STRING,
    "started_at": STRING,
    "finished_at": STRING,
    "parent_id": STRING,
    "worker_id": STRING,
    "replay": OBJECT,
}


def result(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a structured result; `error` alone is what a call gets that could not be served."""
    return {"type": "object", "properties": {**properties, "error": ERROR}, "additionalProperties": False}


def array_of(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Return the schema of a list of objects."""
    items = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"type": "array", "items": items}
