"""The command with which a client starts `ratchet-mcp`, from any folder."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

SCRIPT = "ratchet-mcp"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("a name has letters, digits, - and _, at most 64")
    return name


Name = Annotated[str, typer.Option("--name", help="Name of the server in the client.", metavar="NAME", callback=_check_name)]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", help="Environment variable for the server; may be repeated.", metavar="KEY=VALUE", show_default=False),
]
ServerConfig = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Settings file that the server shall use.", metavar="FILE", exists=True, dir_okay=False, show_default=False
    ),
]
ServerProfile = Annotated[
    str | None, typer.Option("--profile", help="Profile that the server shall use.", metavar="NAME", show_default=False)
]
Uvx = Annotated[bool, typer.Option("--uvx", help="Start it with `uvx ratchet-mcp`, which needs no installation, only uv.")]


def variables(given: Sequence[str] | None) -> dict[str, str]:
    """Read `KEY=VALUE`. Raises `typer.BadParameter`."""
    read: dict[str, str] = {}
    for each in given or ():
        key, equals, value = each.partition("=")
        if not equals or not _VARIABLE.fullmatch(key):
            raise typer.BadParameter(f"{each.split('=')[0]!r}: say it as KEY=VALUE", param_hint="--env")
        read[key] = value
    return read


def command(*, uvx: bool, config: Path | None, profile: str | None) -> tuple[str, list[str]]:
    """Return program and arguments; the program is an absolute path where it can be found."""
    options = (["--config", str(config.expanduser().absolute())] if config else []) + (["--profile", profile] if profile else [])
    if uvx:
        return shutil.which("uvx") or "uvx", [SCRIPT, *options]
    script = _script()
    if script is not None:
        return str(script), options
    return sys.executable, ["-m", "ratchet_mcp.mcp.stdio_main", *options]


def _script() -> Path | None:
    """Return the script of this environment."""
    name = f"{SCRIPT}.exe" if sys.platform == "win32" else SCRIPT
    folders = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts")), Path(sys.argv[0]).absolute().parent]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
