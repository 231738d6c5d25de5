"""`ratchet repo`: where tasks come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratchet_mcp.cli import options

app = typer.Typer(help="Where tasks come from: collections of your own, and sources in the settings.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder of tasks and ZIPs.", metavar="FOLDER", show_default=False)]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where to write the ZIPs and index.json.", metavar="DIR", show_default="FOLDER-index")
]
Title = Annotated[str | None, typer.Option("--title", help="What the collection is called.", metavar="TEXT", show_default=False)]
WithIndex = Annotated[bool, typer.Option("--index", help="Also write what a web server needs, as `repo index` does.")]
Uri = Annotated[
    str,
    typer.Argument(help="A folder, a ZIP, https://…/index.json, git+https://…, git+ssh://… or git+file:///….", metavar="URI"),
]
Name = Annotated[str | None, typer.Option("--name", help="Short name of the source.", metavar="NAME", show_default="from the URI")]
Branch = Annotated[str | None, typer.Option("--branch", help="Git: follow this branch.", metavar="NAME", show_default=False)]
Tag = Annotated[str | None, typer.Option("--tag", help="Git: follow this tag.", metavar="NAME", show_default=False)]
Commit = Annotated[str | None, typer.Option("--commit", help="Git: stay at this commit (its whole id).", metavar="ID", show_default=False)]
SubFolder = Annotated[str | None, typer.Option("--folder", help="Git: folder inside the repository.", metavar="PATH", show_default=False)]
TokenEnv = Annotated[
    str | None, typer.Option("--token-env", help="Environment variable that holds the token.", metavar="NAME", show_default=False)
]
More = Annotated[
    list[str] | None,
    typer.Option("--set", help="A further option of the source, as KEY=VALUE (docs/sources.md); may be repeated.", show_default=False),
]
First = Annotated[bool, typer.Option("--first", help="Put it before the other sources: earlier ones win.")]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Do not try whether the source answers.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be written.")]
SourceName = Annotated[str | None, typer.Argument(help="Name of a source.", metavar="[SOURCE]", show_default="all")]
Accept = Annotated[bool, typer.Option("--accept-changed", help="Take other content under versions that are known.")]
Tasks = Annotated[
    list[str], typer.Argument(help="name, name@version, or name@* for all versions; may be repeated.", metavar="TASK…", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
Task = Annotated[str, typer.Argument(help="Name of a task.", metavar="TASK", show_default=False)]


@app.command("init")
def init(folder: Folder, index: WithIndex = False, title: Title = None, output: Output = None, as_json: options.AsJson = False) -> None:
    """Make a folder for tasks of your own, with one that works."""
    from ratchet_mcp.cli import repo_collection

    repo_collection.init(folder, index=index, title=title, output=output, as_json=as_json)


@app.command("index")
def index(folder: Folder, output: Output = None, title: Title = None, as_json: options.AsJson = False) -> None:
    """Write an index and a ZIP of each task of a folder, for any web server. Exit status 1 when a task was left out."""
    from ratchet_mcp.cli import repo_collection

    repo_collection.index(folder, output=output, title=title, as_json=as_json)


@app.command("add")
def add(
    uri: Uri,
    name: Name = None,
    branch: Branch = None,
    tag: Tag = None,
    commit: Commit = None,
    folder: SubFolder = None,
    token_env: TokenEnv = None,
    more: More = None,
    first: First = False,
    no_check: NoCheck = False,
    dry_run: DryRun = False,
    config: options.Config = None,
    as_json: options.AsJson = False,
) -> None:
    """Add a source to the settings file. Comments in the file stay; a backup of it is put next to it."""
    from ratchet_mcp.cli import repo_add

    chosen = {"branch": branch, "tag": tag, "commit": commit, "folder": folder, "token_env": token_env}
    given = repo_add.Wish(uri, name, {key: value for key, value in chosen.items() if value is not None}, tuple(more or ()), first)
    repo_add.add(given, config, check=not no_check, dry_run=dry_run, as_json=as_json)


@app.command("list")
def list_(config: options.Config = None, profile: options.Profile = None, as_json: options.AsJson = False) -> None:
    """List the sources in order of precedence. Nothing is fetched."""
    from ratchet_mcp.cli import repo_sources

    repo_sources.list_sources(config, profile, as_json=as_json)


@app.command("status")
def status(
    source: SourceName = None, config: options.Config = None, profile: options.Profile = None, as_json: options.AsJson = False
) -> None:
    """Say what is here of each source: tasks, age, problems. Nothing is fetched."""
    from ratchet_mcp.cli import repo_sources

    repo_sources.status(source, config, profile, as_json=as_json)


@app.command("refresh")
def refresh(
    source: SourceName = None,
    accept_changed: Accept = False,
    config: options.Config = None,
    profile: options.Profile = None,
    as_json: options.AsJson = False,
) -> None:
    """Bring sources up to date, over the network if need be. Exit status 1 when one cannot be reached."""
    from ratchet_mcp.cli import repo_sources

    repo_sources.refresh(source, config, profile, accept_changed=accept_changed, as_json=as_json)


@app.command("verify")
def verify(
    source: SourceName = None, config: options.Config = None, profile: options.Profile = None, as_json: options.AsJson = False
) -> None:
    """Load every task: digests, metadata, schemas, code and tests. Exit status 1 when something is wrong."""
    from ratchet_mcp.cli import repo_verify

    repo_verify.verify(source, config, profile, as_json=as_json)


@app.command("export")
def export(
    tasks: Tasks,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .zip, or .json.", metavar="FILE", show_default=False)],
    force: Force = False,
    config: options.Config = None,
    profile: options.Profile = None,
    as_json: options.AsJson = False,
) -> None:
    """Write tasks into one file, which is a source of tasks (.zip) and what import_tasks takes."""
    from ratchet_mcp.cli import repo_export

    repo_export.export(tasks, output, config, profile, force=force, as_json=as_json)


@app.command("enable")
def enable(task: Task, config: options.Config = None, profile: options.Profile = None, as_json: options.AsJson = False) -> None:
    """Let a task run again."""
    from ratchet_mcp.cli import repo_sources

    repo_sources.set_enabled(task, True, config, profile, as_json=as_json)


@app.command("disable")
def disable(task: Task, config: options.Config = None, profile: options.Profile = None, as_json: options.AsJson = False) -> None:
    """Keep a task from running, on every server with the same database. Its history stays."""
    from ratchet_mcp.cli import repo_sources

    repo_sources.set_enabled(task, False, config, profile, as_json=as_json)
