"""Settings of the faces: MCP and HTTP, and of the server's own log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ratchet_mcp.settings.base import Section

Toolset = Literal["core", "author", "admin", "jobs"]
"""A group of tools: core finds, runs and looks; author writes, checks, tests, debugs; admin looks after sources; jobs after the queue."""


class McpSettings(Section):
    """Which tools there are, and how they answer."""

    toolsets: list[Toolset] = Field(
        default_factory=lambda: ["core", "author"],
        description="Groups of tools to offer: core, author, admin, jobs.",
        json_schema_extra={"default_in_words": "core,author"},
    )
    read_only: bool = Field(
        default=False, description="Offer only tools that neither run code nor change anything; all others are hidden and refused."
    )
    task_tools: Literal["off", "exposed", "all"] = Field(
        default="exposed", description='Which tasks are tools of their own: none, those with expose: "tool" in their metadata, or all.'
    )
    task_tools_cap: int = Field(
        default=40,
        ge=1,
        le=500,
        description="Most tasks that are tools of their own; when there are more, none is, and list_tasks finds them.",
    )
    expose_remote: list[str] = Field(
        default_factory=list[str], description="Names of tasks from remote sources that may be tools of their own; others never are."
    )

    wait_seconds: float = Field(default=25.0, ge=0, le=50, description="How long a call waits for a run unless it says otherwise.")
    result_tokens: int = Field(
        default=20_000, ge=500, le=200_000, description="Size of a result's text in tokens (characters / 4); longer ones are cut."
    )
    max_message_bytes: int = Field(default=16 << 20, ge=1 << 16, description="Size of one incoming message.")
    task_after_seconds: float = Field(
        default=1.0, ge=0, le=50, description="How long a run may take before its call becomes a task, for clients that know tasks."
    )
    task_ttl_seconds: float = Field(default=86_400.0, ge=60, description="How long such a task can be asked for its result.")
    task_poll_seconds: float = Field(default=1.0, ge=0.05, le=60, description="How often clients are told to ask for it.")
    answer_seconds: float = Field(default=120.0, gt=0, le=3600, description="How long a question to the user waits for an answer.")
    state_key_file: Path | None = Field(
        default=None,
        description="The key that seals questions under way (made with mode 0600 if missing); by default a file beside the database.",
    )


class ServerSettings(Section):
    """The HTTP server."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: list[str] = Field(default_factory=list[str], description="Host headers to accept besides the loopback names.")
    allowed_origins: list[str] = Field(default_factory=list[str], description="Origin headers to accept besides the loopback ones.")
    max_sessions: int = Field(default=1000, ge=1, description="MCP sessions at the same time.")
    session_idle_seconds: float = Field(default=1800.0, gt=0, description="Idle time after which a session ends.")
    shutdown_grace_seconds: float = Field(default=5.0, ge=0, description="How long running tasks may finish when the server stops.")


class LoggingSettings(Section):
    """The server's own log (never on stdout)."""

    level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least severe level to log.")
    format: Literal["text", "json"] = Field(default="text", description="Lines for people or for machines.")
    file: Path | None = Field(default=None, description="Also log into this file (rotated at 10 MB).")
