"""Collections of one's own: a folder with a task that works, and the index of it for a web server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from ratchet_mcp.errors import InvalidArgument

SAMPLE: dict[str, Any] = {
    "metadata.json": {
        "name": "greet",
        "version": "1.0.0",
        "title": "Greet somebody",
        "description": "Return a greeting for a name. A sample: change it, or copy its folder.",
        "tags": ["sample"],
    },
    "main.js": (
        "(function (input) {\n"
        "  const name = input.name.trim();\n"
        '  if (name === "") {\n'
        '    throw new ValidationError("The name is empty.");\n'
        "  }\n"
        "  return { greeting: `Hello, ${name}!` };\n"
        "})\n"
    ),
    "input.schema.json": {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "Whom to greet.", "maxLength": 200}},
        "required": ["name"],
        "additionalProperties": False,
    },
    "output.schema.json": {"type": "object", "properties": {"greeting": {"type": "string"}}, "required": ["greeting"]},
    "tests/greets.json": {"name": "greets", "input": {"name": "Ada"}, "expected_output": {"greeting": "Hello, Ada!"}},
    "tests/empty-name.json": {"name": "empty name", "input": {"name": " "}, "expected_error": {"message_contains": "empty"}},
}


def init(folder: Path, *, index: bool, title: str | None, output: Path | None, as_json: bool) -> None:
    """Write the sample task into a folder. Raises `InvalidArgument` when it is there already, or cannot be written."""
    from ratchet_mcp.cli.output import print_json, print_text

    task = folder / SAMPLE["metadata.json"]["name"]
    if task.exists():
        raise InvalidArgument(f"{task} is there already; nothing was written.", hint="Name another folder.")
    try:
        for path, content in SAMPLE.items():
            file = task / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content if isinstance(content, str) else json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot be written: {error.strerror or error}.") from error
    report: dict[str, Any] = {"folder": str(folder), "task": str(task), "files": [str(task / path) for path in SAMPLE]}
    if index:
        report["index"] = _publish(folder, output, title)
    if as_json:
        print_json(report)
        return
    print_text(f"{task} is a task that works. Try it:")
    print_text(f"  ratchet test --from-fs {task}\n  ratchet repo add {folder}")
    if index:
        print_text(f"{report['index']['index']} and its ZIPs can be put on any web server.")


def index(folder: Path, *, output: Path | None, title: str | None, as_json: bool) -> None:
    """Write index and ZIPs of a folder, and tell which tasks were left out."""
    from ratchet_mcp.cli.output import console, print_json, print_text, printable
    from ratchet_mcp.cli.repo_sources import counted_tasks

    if not folder.is_dir():
        raise InvalidArgument(f"{folder} is not a folder.", hint="Name a folder that holds task folders or ZIPs.")
    report = _publish(folder, output, title)
    if as_json:
        print_json(report)
    else:
        for problem in report["problems"]:
            console(stderr=True).print(f"left out: {printable(problem['location'])}: {printable(problem['error']['message'])}", style="red")
        print_text(f"{report['index']}: {counted_tasks(len(report['tasks']))}")
    if report["problems"]:
        raise typer.Exit(1)


def _publish(folder: Path, output: Path | None, title: str | None) -> dict[str, Any]:
    from ratchet_mcp.registry.remote.publishing import INDEX, publish
    from ratchet_mcp.settings import Limits

    target = output or folder.absolute().with_name(f"{folder.absolute().name}-index")
    if target.absolute() == folder.absolute():
        raise InvalidArgument("The ZIPs would become tasks of the folder itself.", hint="Name another folder with --output.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        published = publish(folder, target, Limits(), title=title)
    except OSError as error:
        raise InvalidArgument(f"{target} cannot be written: {error.strerror or error}.") from error
    return {
        "index": str(target / INDEX),
        "tasks": [{key: entry[key] for key in ("name", "version", "url", "sha256", "size")} for entry in published.entries],
        "problems": [problem.to_dict() for problem in published.problems],
    }
