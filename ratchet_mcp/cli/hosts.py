"""The programs that start MCP servers: where each keeps its list of servers, and in which form."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class System:
    """The machine, as far as it says where programs keep their files."""

    platform: str
    home: Path
    environment: Mapping[str, str]
    folder: Path

    @classmethod
    def current(cls) -> System:
        """Return this machine."""
        return cls(sys.platform, Path.home(), os.environ, Path.cwd())

    def configuration(self) -> Path:
        """Return the folder in which programs keep the user's settings."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return Path(self.environment.get("APPDATA") or self.home / "AppData" / "Roaming")
        given = Path(self.environment.get("XDG_CONFIG_HOME") or "")
        return given if given.is_absolute() else self.home / ".config"


@dataclass(frozen=True)
class Host:
    """One such program: `key` holds its servers, `typed` entries say that they use stdio, its file may have `comments`."""

    name: str
    title: str
    key: str
    typed: bool
    comments: bool
    locate: Callable[[System], Path]
    then: str

    def entry(self, command: str, arguments: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the entry of a server."""
        entry: dict[str, Any] = {"type": "stdio"} if self.typed else {}
        entry |= {"command": command, "args": arguments}
        return entry | ({"env": dict(environment)} if environment else {})


def _claude_desktop(system: System) -> Path:
    """Find the folder of Claude Desktop; on Windows the packaged (MSIX) program has one of its own and does not see the usual one."""
    if system.platform == "win32":
        local = Path(system.environment.get("LOCALAPPDATA") or system.home / "AppData" / "Local")
        packaged = sorted(each for each in local.glob("Packages/Claude_*/LocalCache/Roaming") if each.is_dir())
        if packaged:
            return packaged[0] / "Claude" / "claude_desktop_config.json"
    return system.configuration() / "Claude" / "claude_desktop_config.json"


def _claude_code(system: System) -> Path:
    return Path(system.environment.get("CLAUDE_CONFIG_DIR") or system.home) / ".claude.json"


HOSTS = {
    host.name: host
    for host in (
        Host("claude-desktop", "Claude Desktop", "mcpServers", False, False, _claude_desktop, "Quit Claude Desktop and start it again."),
        Host("claude-code", "Claude Code", "mcpServers", True, False, _claude_code, "Start a new session of Claude Code; /mcp shows it."),
        Host(
            "cursor",
            "Cursor",
            "mcpServers",
            False,
            True,
            lambda system: system.home / ".cursor" / "mcp.json",
            "Look at Cursor's list of MCP servers, and switch it on there.",
        ),
        Host(
            "vscode",
            "Visual Studio Code",
            "servers",
            True,
            True,
            lambda system: system.configuration() / "Code" / "User" / "mcp.json",
            'Run the command "MCP: List Servers" in Visual Studio Code and start it.',
        ),
        Host(
            "mcp-json",
            "every client that reads .mcp.json in this folder",
            "mcpServers",
            False,
            False,
            lambda system: system.folder / ".mcp.json",
            "Clients ask once whether they may use the servers of this folder.",
        ),
    )
}
