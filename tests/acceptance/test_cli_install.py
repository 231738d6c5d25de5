"""`ratchet install` and `ratchet generate mcpservers-json`, on files in a home of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import command_line
import pytest
from mcp import Client, StdioServerParameters

SCRIPT = str(Path(sys.executable).parent / "ratchet-mcp")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def ratchet(home: Path, tmp_path: Path) -> Run:
    """Run the command line with a home of its own, from a folder that is not the project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RATCHET_", "XDG_", "CLAUDE_"))}

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return command_line.ratchet(*arguments, cwd=tmp_path, env={**kept, "HOME": str(home), **environment})

    return run


def servers(file: Path, key: str = "mcpServers") -> dict[str, Any]:
    return json.loads(file.read_text())[key]


FILES = {
    "claude-desktop": (".config/Claude/claude_desktop_config.json", "mcpServers"),
    "claude-code": (".claude.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "vscode": (".config/Code/User/mcp.json", "servers"),
    "mcp-json": ("../.mcp.json", "mcpServers"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the places are those of Linux")
@pytest.mark.parametrize("client", FILES)
async def test_each_client_gets_an_entry_that_starts_the_server(client: str, ratchet: Run, home: Path, tmp_path: Path) -> None:
    done = ratchet("install", client)
    assert done.returncode == 0, done.stderr
    name, key = FILES[client]
    entry = servers(home / name, key)["ratchet"]
    assert entry["command"] == SCRIPT
    assert entry.get("type") == ("stdio" if client in ("vscode", "claude-code") else None)
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "RATCHET_STORE__URL": "sqlite://"}
    server = StdioServerParameters(command=entry["command"], args=entry["args"], env=environment, cwd="/")
    async with Client(server) as connected:
        assert (await connected.list_tools()).tools


def test_other_entries_unknown_keys_and_their_order_stay(ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    text = '{\n    "theme": "dark",\n    "mcpServers": {\n        "b": {"command": "b", "env": {"TOKEN": "s3cret"}},\n        "a": {}\n    },\n    "z": 1.0\n}\n'
    file.write_text(text)
    done = ratchet("install", "claude-desktop", "--path", file)
    assert done.returncode == 0
    added = f'"a": {{}},\n        "ratchet": {{\n            "command": "{SCRIPT}",\n            "args": []\n        }}\n'
    assert file.read_text() == text.replace('"a": {}\n', added)
    assert "Other servers there stay: b, a." in done.stdout
    assert "s3cret" not in done.stdout


def test_a_backup_of_the_file_lies_next_to_it(ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text('{"mcpServers": {}}')
    file.chmod(0o600)
    report = json.loads(ratchet("install", "cursor", "--path", file, "--json").stdout)
    backup = Path(report["backup"])
    assert backup.parent == tmp_path and backup.name.startswith("c.json.backup-")
    assert backup.read_text() == '{"mcpServers": {}}'
    assert {each.stat().st_mode & 0o777 for each in (file, backup)} == {0o600}


def test_installing_twice_changes_nothing_more(ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text("{}")
    ratchet("install", "cursor", "--path", file)
    text, listed = file.read_text(), sorted(tmp_path.iterdir())
    again = ratchet("install", "cursor", "--path", file)
    assert (again.returncode, file.read_text(), sorted(tmp_path.iterdir())) == (0, text, listed)
    assert "has this already" in again.stdout


def test_installing_again_keeps_what_the_user_added_to_the_entry(ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    mine = {
        "command": "/old/ratchet-mcp",
        "args": ["--profile", "x"],
        "env": {"MINE": "1", "K": "old"},
        "disabled": False,
        "autoApprove": ["a"],
    }
    file.write_text(json.dumps({"mcpServers": {"ratchet": mine}}))
    assert ratchet("install", "cursor", "--path", file, "--env", "K=new=er", "--env", "EMPTY=").returncode == 0
    entry = servers(file)["ratchet"]
    assert (entry["command"], entry["args"]) == (SCRIPT, [])
    assert entry["env"] == {"MINE": "1", "K": "new=er", "EMPTY": ""}
    assert (entry["disabled"], entry["autoApprove"]) == (False, ["a"])


def test_a_remote_server_of_the_same_name_is_replaced_as_a_whole(ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text('{"mcpServers": {"ratchet": {"type": "http", "url": "http://127.0.0.1:1/mcp"}}}')
    ratchet("install", "cursor", "--path", file)
    assert servers(file)["ratchet"] == {"command": SCRIPT, "args": []}


def test_a_dry_run_writes_nothing(ratchet: Run, home: Path) -> None:
    done = ratchet("install", "cursor", "--dry-run", "--name", "mine", "--env", "A=b")
    assert done.returncode == 0
    assert '"A": "b"' in done.stdout and '"mine"' in done.stdout
    assert "Would be written into" in done.stdout and str(home / ".cursor" / "mcp.json") in done.stdout
    assert list(home.iterdir()) == []


def test_comments_stay_where_the_client_allows_them(ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    text = '{\n  // my servers\n  "servers": {\n    "a": {"command": "a"}, // the first\n  },\n}\n'
    file.write_text(text)
    assert ratchet("install", "vscode", "--path", file).returncode == 0
    after = file.read_text()
    assert "// my servers" in after and '"a": {"command": "a"}, // the first\n' in after and f'"command": "{SCRIPT}"' in after
    strict = ratchet("install", "claude-desktop", "--path", file)
    assert strict.returncode == 1 and "(line 2, column 3)" in strict.stderr
    assert file.read_text() == after


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"mcpServers": {', "cannot be changed: Expecting"),
        (b'{"mcpServers": []}', "mcpServers should be an object, but is []"),
        (b"[]", "the whole file should be an object"),
        (b"\xff\xfe{}", "is not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_file_is_refused_and_stays(content: bytes, words: str, ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(content)
    done = ratchet("install", "claude-desktop", "--path", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr and str(file) in done.stderr and "Traceback" not in done.stderr
    assert file.read_bytes() == content and list(tmp_path.glob("c.json.*")) == []


def test_an_empty_file_and_a_byte_order_mark_are_fine(ratchet: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(b"")
    assert ratchet("install", "cursor", "--path", file).returncode == 0
    assert servers(file)["ratchet"]["command"] == SCRIPT
    file.write_bytes(b'\xef\xbb\xbf{"mcpServers": {}}')
    assert ratchet("install", "cursor", "--path", file).returncode == 0
    assert file.read_bytes().startswith(b'\xef\xbb\xbf{"mcpServers"') and json.loads(file.read_text("utf-8-sig"))["mcpServers"]["ratchet"]


def test_a_link_stays_a_link(ratchet: Run, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    link = tmp_path / "c.json"
    link.symlink_to(real)
    assert ratchet("install", "cursor", "--path", link).returncode == 0
    assert link.is_symlink() and servers(real)["ratchet"]


def test_a_place_that_cannot_be_written_is_told(ratchet: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ratchet("install", "cursor", "--path", tmp_path / "file" / "c.json")
    assert done.returncode == 1 and "Not a directory" in done.stderr and "Traceback" not in done.stderr
    folder = ratchet("install", "cursor", "--path", tmp_path)
    assert folder.returncode == 1 and "Traceback" not in folder.stderr


def test_a_new_file_with_variables_is_for_its_owner_only(ratchet: Run, tmp_path: Path) -> None:
    ratchet("install", "cursor", "--path", tmp_path / "new" / "c.json", "--env", "TOKEN=x")
    assert (tmp_path / "new" / "c.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nobody"],
        [],
        ["cursor", "--env", "x"],
        ["cursor", "--env", "1=x"],
        ["cursor", "--name", "a b"],
        ["cursor", "--config", "gone.yaml"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], ratchet: Run, home: Path) -> None:
    done = ratchet("install", *arguments)
    assert (done.returncode, done.stdout) == (2, "") and list(home.iterdir()) == []


def test_uvx_and_a_profile_are_written_as_asked(ratchet: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("{}")
    done = ratchet("generate", "mcpservers-json", "--uvx", "--config", "r.yaml", "--profile", "small", "--name", "r", PATH="/nowhere")
    entry = json.loads(done.stdout)["mcpServers"]["r"]
    assert entry == {"command": "uvx", "args": ["ratchet-mcp", "--config", str(tmp_path / "r.yaml"), "--profile", "small"]}


def test_the_printed_entry_is_the_installed_one(ratchet: Run, tmp_path: Path) -> None:
    ratchet("install", "cursor", "--path", tmp_path / "c.json", "--env", "A=b")
    printed = json.loads(ratchet("generate", "mcpservers-json", "--env", "A=b").stdout)
    assert printed == json.loads((tmp_path / "c.json").read_text())
