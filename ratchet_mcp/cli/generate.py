"""`ratchet generate`: things to start from."""

from __future__ import annotations

import typer

from ratchet_mcp.cli import generate_task, server_entry

app = typer.Typer(help="Generate things to start from.", no_args_is_help=True)
app.command("task")(generate_task.task)


@app.command("mcpservers-json")
def mcpservers_json(
    name: server_entry.Name = "ratchet",
    env: server_entry.Env = None,
    config: server_entry.ServerConfig = None,
    profile: server_entry.ServerProfile = None,
    uvx: server_entry.Uvx = False,
) -> None:
    """Print the entry for a client's `mcpServers`, to paste where `ratchet install` does not reach."""
    from ratchet_mcp.cli.hosts import HOSTS
    from ratchet_mcp.cli.output import print_json

    program, arguments = server_entry.command(uvx=uvx, config=config, profile=profile)
    print_json({"mcpServers": {name: HOSTS["claude-desktop"].entry(program, arguments, server_entry.variables(env))}})
