"""`ratchet config show | validate | generate`: the settings themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.settings.loader import Loaded

app = typer.Typer(help="Show, check and write settings.", no_args_is_help=True)

Origins = Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write into this file.", metavar="FILE", show_default="stdout")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


@app.command("show")
def show(origin: Origins = False, as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Print the settings as they are in force, as YAML."""
    from ratchet_mcp.cli.output import print_json, print_text
    from ratchet_mcp.settings.loader import load_with_origins

    loaded = load_with_origins(config, profile)
    values = masked(loaded)
    if as_json and origin:
        print_json(
            {f"{section}.{key}": {"value": value, "origin": loaded.origin(section, key).place} for section, key, value in _each(values)}
        )
    elif as_json:
        print_json(values)
    else:
        print_text(_to_yaml(values, loaded if origin else None))


@app.command("validate")
def validate(config: options.Config = None, as_json: options.AsJson = False) -> None:
    """Check the settings file, each of its profiles, and the environment."""
    from ratchet_mcp.cli.output import print_json, print_text
    from ratchet_mcp.errors import SettingsInvalid
    from ratchet_mcp.settings.loader import load_with_origins

    checked: list[str] = []
    try:
        loaded = load_with_origins(config)
        for profile in loaded.profiles:
            load_with_origins(config, profile)
            checked.append(profile)
    except SettingsInvalid as error:
        if as_json:
            print_json({"valid": False, **error.to_dict().get("details", {})})
        raise
    file = str(loaded.file) if loaded.file else None
    if as_json:
        print_json({"valid": True, "file": file, "profiles": checked})
    else:
        profiles = f", profiles: {', '.join(checked)}" if checked else ""
        print_text(f"The settings are valid ({file or 'no file, only defaults and environment'}{profiles}).")


@app.command("generate")
def generate(output: Output = None, force: Force = False) -> None:
    """Print a settings file that explains every key and its default."""
    from ratchet_mcp.cli.output import print_text
    from ratchet_mcp.errors import InvalidArgument
    from ratchet_mcp.settings.reference import to_yaml

    if output is None:
        print_text(to_yaml())
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(to_yaml())
    except FileExistsError as error:
        raise InvalidArgument(f"{output} is there already.", hint="Use --force to write over it.") from error
    except OSError as error:
        raise InvalidArgument(f"{output} cannot be written: {error.strerror or error}.") from error


def masked(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """Return the settings as JSON values, without the passwords in URLs."""
    from ratchet_mcp.registry.remote.options import SECRETS
    from ratchet_mcp.registry.remote.uris import mask
    from ratchet_mcp.settings.passwords import without_passwords

    values: dict[str, dict[str, Any]] = loaded.settings.model_dump(mode="json")
    url = values["store"]["url"]
    if url:
        values["store"]["url"] = without_passwords(str(url))
    for source in values["registry"]["sources"]:
        source["uri"] = mask(source["uri"])
        source["config"] = {key: "***" if key.lower() in SECRETS else value for key, value in source["config"].items()}
    return values


def _each(values: dict[str, dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(section, key, value) for section, keys in values.items() for key, value in keys.items()]


def _to_yaml(values: dict[str, dict[str, Any]], loaded: Loaded | None) -> str:
    """Write the values as YAML, one JSON value a line (JSON is YAML), with origins as comments when `loaded` is given."""
    import json

    lines: list[str] = []
    for section, keys in values.items():
        lines.append(f"{section}:")
        for key, value in keys.items():
            text = f"  {key}: {json.dumps(value, ensure_ascii=False)}"
            lines.append(f"{text:<48}# {loaded.origin(section, key).place}" if loaded else text)
    return "\n".join(lines) + "\n"
