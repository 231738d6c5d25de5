"""Settings of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ratchet_mcp.settings.base import Section

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal digits."""


class SourceSettings(Section):
    """One place that tasks come from."""

    name: str = Field(description="Short name, shown with each task.")
    uri: str = Field(
        description="A folder or a ZIP (a path or file://), a JSON index (https://), or a git repository (git+https://, git+ssh://, git+file://)."
    )
    config: dict[str, Any] = Field(default_factory=dict, description="Options of the source; docs/sources.md lists them.")


class WatchSettings(Section):
    """How changes of local sources, and of the database by other servers, are noticed."""

    enabled: bool = Field(default=True, description="Take up changes of folders and ZIPs while the server runs.")
    debounce_ms: int = Field(default=500, ge=20, le=10_000, description="How long a task must be quiet before it is read again.")
    ignore: list[str] = Field(
        default_factory=lambda: ["*~", "*.swp", "*.swx", "*.tmp", "*.bak", "#*#", "4913"],
        description="Patterns of file and folder names whose changes mean nothing; names that begin with a dot never do.",
        json_schema_extra={"default_in_words": "those of editors"},
    )
    concurrency: int = Field(default=4, ge=1, le=64, description="How many changed tasks are loaded at the same time.")
    attempts: int = Field(default=5, ge=1, le=100, description="How often a source that cannot be watched or fetched is tried in a row.")
    retry_seconds: float = Field(default=0.2, gt=0, le=60, description="Pause before the second attempt; it doubles with each one.")
    max_retry_seconds: float = Field(default=30.0, gt=0, le=3600, description="Longest pause between attempts.")
    polling: bool = Field(default=False, description="Look at the files again and again, for file systems that do not tell of changes.")
    database_seconds: float = Field(default=1.0, ge=0.1, le=3600, description="How often to look whether another server changed tasks.")


class RegistrySettings(Section):
    """Where tasks come from."""

    bundled: bool = Field(default=True, description="Serve the tasks that come with Ratchet.")
    sources: list[SourceSettings] = Field(default_factory=list[SourceSettings], description="Further sources; earlier ones win.")
    pins: dict[str, Digest] = Field(
        default_factory=dict[str, str],
        description="name@version to the digest that it must have; other content under this version does not run.",
    )
    import_from: list[str] = Field(
        default_factory=lambda: ["https://"],
        description="What import_tasks may read by its uri: folders, and addresses; https:// alone means every public host.",
        json_schema_extra={"default_in_words": "https://"},
    )
    watch: WatchSettings = Field(default_factory=WatchSettings)
    cache_folder: Path | None = Field(
        default=None, description="What remote sources have fetched; by default a folder in the user's cache directory."
    )
    cache_mb: int = Field(default=512, ge=16, description="Size of the task ZIPs that are kept there, in MiB; the longest unused go first.")
