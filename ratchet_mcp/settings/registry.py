"""Settings of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from ratchet_mcp.settings.base import Section


class SourceSettings(Section):
    """One place that tasks come from."""

    name: str = Field(description="Short name, shown with each task.")
    uri: str = Field(
        description="A folder or a ZIP (a path or file://), a JSON index (https://), or a git repository (git+https://, git+ssh://, git+file://)."
    )
    config: dict[str, Any] = Field(default_factory=dict, description="Options of the source; docs/sources.md lists them.")


class RegistrySettings(Section):
    """Where tasks come from."""

    bundled: bool = Field(default=True, description="Serve the tasks that come with Ratchet.")
    sources: list[SourceSettings] = Field(default_factory=list[SourceSettings], description="Further sources; earlier ones win.")
    cache_folder: Path | None = Field(
        default=None, description="What remote sources have fetched; by default a folder in the user's cache directory."
    )
    cache_mb: int = Field(default=512, ge=16, description="Size of the task ZIPs that are kept there, in MiB; the longest unused go first.")
