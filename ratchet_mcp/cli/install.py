"""`ratchet install`: put Ratchet into the list of servers of an MCP client."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet_mcp.cli import options, server_entry
from ratchet_mcp.tasks.json_values import is_object

if TYPE_CHECKING:
    from ratchet_mcp.cli.hosts import Host
    from ratchet_mcp.cli.jsonc import Document


class HostName(StrEnum):
    """The clients that `ratchet install` knows."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    MCP_JSON = "mcp-json"


Client = Annotated[
    HostName,
    typer.Argument(
        help="claude-desktop, claude-code, cursor, vscode, or mcp-json (.mcp.json in this folder).", metavar="CLIENT", show_default=False
    ),
]
File = Annotated[
    Path | None, typer.Option("--path", help="Change this file instead of the client's usual one.", metavar="FILE", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be written.")]


def install(
    client: Client,
    name: server_entry.Name = "ratchet",
    env: server_entry.Env = None,
    config: server_entry.ServerConfig = None,
    profile: server_entry.ServerProfile = None,
    uvx: server_entry.Uvx = False,
    path: File = None,
    dry_run: DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add Ratchet to a client's configuration. Everything else in the file stays; a backup of it is put next to it."""
    from ratchet_mcp.cli.hosts import HOSTS, System
    from ratchet_mcp.cli.output import print_json
    from ratchet_mcp.cli.rewriting import read, rewrite

    host = HOSTS[client.value]
    program, arguments = server_entry.command(uvx=uvx, config=config, profile=profile)
    entry = host.entry(program, arguments, server_entry.variables(env))
    file = (path or host.locate(System.current())).expanduser().absolute()
    before = read(file)
    after = _changed(before or "", file, host, name, entry)
    text = ("\ufeff" if before and before.startswith("\ufeff") else "") + after.text
    changed = text != before
    backup = rewrite(file, before, text, secret="env" in entry) if changed and not dry_run else None
    servers = after.value[host.key]
    report = {
        "client": host.name,
        "file": str(file),
        "name": name,
        "entry": servers[name],
        "changed": changed,
        "written": changed and not dry_run,
        "backup": None if backup is None else str(backup),
        "others": [other for other in servers if other != name],
    }
    if as_json:
        print_json(report)
    else:
        _tell(host, report, existed=before is not None)


def _changed(text: str, file: Path, host: Host, name: str, entry: dict[str, Any]) -> Document:
    """Return the file as it shall be. Raises `InvalidArgument` when it holds something that must not be touched."""
    from ratchet_mcp.cli.jsonc import Document
    from ratchet_mcp.errors import InvalidArgument
    from ratchet_mcp.tasks.reading import ReadError

    body = text.removeprefix("\ufeff")
    try:
        return _merged(Document(body if body.strip() else "{}\n", host.comments), (host.key, name), entry)
    except ReadError as error:
        place = f" (line {error.line}, column {error.column})" if error.line else ""
        raise InvalidArgument(
            f"{file} cannot be changed: {error.message}{place}.",
            hint="Nothing was written. Correct the file, or add by hand what `ratchet generate mcpservers-json` prints.",
            details={"file": str(file), "line": error.line, "column": error.column},
        ) from error


def _merged(document: Document, path: tuple[str, str], entry: dict[str, Any]) -> Document:
    """Put the entry in; what a user added to an entry of the same name stays, unless that was a server reached by its address."""
    holder = document.value.get(path[0]) if is_object(document.value) else None
    known = holder.get(path[1]) if is_object(holder) else None
    if not is_object(known) or "command" not in known:
        return document.put(path, entry)
    for key, value in entry.items():
        if key == "env" and is_object(known.get("env")):
            for variable, text in value.items():
                document = document.put((*path, "env", variable), text)
        else:
            document = document.put((*path, key), value)
    return document


def _tell(host: Host, report: dict[str, Any], *, existed: bool) -> None:
    from ratchet_mcp.cli.output import print_text, printable

    print_text(f'"{report["name"]}": {printable(json.dumps(report["entry"], indent=2, ensure_ascii=False))}')
    if not report["changed"]:
        print_text(f"\n{report['file']} has this already; nothing to do.")
        return
    verb = "Written into" if report["written"] else "Would be written into"
    print_text(f"\n{verb} {report['file']}{'' if existed else ' (a new file)'}, under {host.key}.")
    if report["others"]:
        print_text(f"Other servers there stay: {', '.join(printable(str(other)) for other in report['others'])}.")
    if report["backup"]:
        print_text(f"The file as it was: {report['backup']}")
    if report["written"]:
        print_text(host.then)
