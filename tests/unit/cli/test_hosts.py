"""Where the clients keep their lists of servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet_mcp.cli.hosts import HOSTS, System

HOME = Path("/home/ada")
DOCUMENTED = [
    ("claude-desktop", "darwin", {}, "/home/ada/Library/Application Support/Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", {}, "/home/ada/.config/Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "/etc/me"}, "/etc/me/Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "relative"}, "/home/ada/.config/Claude/claude_desktop_config.json"),
    ("claude-desktop", "win32", {"APPDATA": "/roaming"}, "/roaming/Claude/claude_desktop_config.json"),
    ("claude-desktop", "win32", {}, "/home/ada/AppData/Roaming/Claude/claude_desktop_config.json"),
    ("claude-code", "darwin", {}, "/home/ada/.claude.json"),
    ("claude-code", "linux", {"CLAUDE_CONFIG_DIR": "/c"}, "/c/.claude.json"),
    ("cursor", "win32", {"APPDATA": "/roaming"}, "/home/ada/.cursor/mcp.json"),
    ("vscode", "darwin", {}, "/home/ada/Library/Application Support/Code/User/mcp.json"),
    ("vscode", "linux", {}, "/home/ada/.config/Code/User/mcp.json"),
    ("vscode", "win32", {"APPDATA": "/roaming"}, "/roaming/Code/User/mcp.json"),
    ("mcp-json", "linux", {}, "/project/folder/.mcp.json"),
]


@pytest.mark.parametrize(("host", "platform", "environment", "path"), DOCUMENTED)
def test_each_client_has_its_file(host: str, platform: str, environment: dict[str, str], path: str) -> None:
    assert HOSTS[host].locate(System(platform, HOME, environment, Path("/project/folder"))) == Path(path)


def test_a_packaged_claude_desktop_on_windows_has_a_file_of_its_own(tmp_path: Path) -> None:
    roaming = tmp_path / "Packages" / "Claude_abc123" / "LocalCache" / "Roaming"
    roaming.mkdir(parents=True)
    system = System("win32", HOME, {"APPDATA": "/roaming", "LOCALAPPDATA": str(tmp_path)}, HOME)
    assert HOSTS["claude-desktop"].locate(system) == roaming / "Claude" / "claude_desktop_config.json"


def test_the_entry_has_the_form_of_its_client() -> None:
    assert HOSTS["cursor"].entry("/r", [], {}) == {"command": "/r", "args": []}
    assert HOSTS["vscode"].entry("/r", ["a"], {"K": "v"}) == {"type": "stdio", "command": "/r", "args": ["a"], "env": {"K": "v"}}
    assert [host.key for host in HOSTS.values()] == ["mcpServers", "mcpServers", "mcpServers", "servers", "mcpServers"]
