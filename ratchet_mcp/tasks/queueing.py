"""What a task says of its own jobs: `jobs: {concurrency, rate, retry}` in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def said_of_jobs(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part `jobs` of the metadata of a task, empty when there is none."""
    said = metadata.get("jobs")
    return dict(cast("Mapping[str, Any]", said)) if isinstance(said, Mapping) else {}
