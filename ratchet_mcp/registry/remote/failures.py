"""The one error of a source that cannot be read."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.errors import SourceFailed


def source_failed(source: str, uri: str, message: str, *, hint: str | None = None, task: str | None = None, **details: Any) -> SourceFailed:
    """Make (not raise) a `SourceFailed` that names the source and, when it is about one, the task."""
    subject = f"The task {task} of the source {source!r}" if task else f"The source {source!r}"
    facts: dict[str, Any] = {"source": source, "uri": uri, **({"task": task} if task else {}), **details}
    return SourceFailed(f"{subject} ({uri}) cannot be read: {message}", hint=hint, details=facts)
