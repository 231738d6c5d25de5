"""Settings of the registry."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ratchet_mcp.settings.base import Section


class SourceSettings(Section):
    """One place that tasks come from."""

    name: str = Field(description="Short name, shown with each task.")
    uri: str = Field(description="A folder or a ZIP file: a path or a file:// URI.")
    config: dict[str, Any] = Field(default_factory=dict, description="Options of the source.")


class RegistrySettings(Section):
    """Where tasks come from."""

    bundled: bool = Field(default=True, description="Serve the tasks that come with Ratchet.")
    sources: list[SourceSettings] = Field(default_factory=list[SourceSettings], description="Further sources; earlier ones win.")
