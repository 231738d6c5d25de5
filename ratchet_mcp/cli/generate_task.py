"""`ratchet generate task`: a new task folder made of a template."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.settings import Limits

Target = Annotated[Path, typer.Option("--path", help="Folder to make; its name becomes the task's name.", metavar="FOLDER")]
Label = Annotated[str | None, typer.Option("--label", help="Title of the task.", metavar="TEXT", show_default=False)]
TemplateName = Annotated[str, typer.Option("--template", help="Task to start from: ratchet generate task --list.", metavar="NAME")]
ListThem = Annotated[bool, typer.Option("--list", help="List the templates.")]


def task(
    path: Target = Path("my-task"),
    label: Label = None,
    template: TemplateName = "transform",
    list_them: ListThem = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a task folder with code, schemas and tests that pass, to start from."""
    from ratchet_mcp.cli.output import print_json, print_text, printable
    from ratchet_mcp.settings import Limits

    if list_them:
        _list(as_json)
        return
    made = _make(path, label, template, Limits())
    if as_json:
        print_json(made)
        return
    print_text(f"{printable(str(path))}: {made['task']} of the template {template}")
    print_text("\n".join(f"  {name}" for name in made["files"]))
    quoted = f'"{path}"' if " " in str(path) else str(path)
    print_text(f"Next: ratchet test --from-fs {quoted}")


def _list(as_json: bool) -> None:
    from ratchet_mcp.authoring.templates import list_templates
    from ratchet_mcp.cli.output import print_json, print_text

    found = list_templates()
    if as_json:
        print_json({"templates": [{"name": each.name, "title": each.title, "description": each.description} for each in found]})
    else:
        width = max(len(each.name) for each in found)
        print_text("\n".join(f"{each.name:<{width}}  {each.description}" for each in found))


def _make(path: Path, label: str | None, template: str, limits: Limits) -> dict[str, Any]:
    """Write the files of a new task. Raises `InvalidArgument` when the folder holds something already, and `TaskInvalid`."""
    from ratchet_mcp.authoring.drafts import Parts, changed, checked, without
    from ratchet_mcp.authoring.templates import find_template
    from ratchet_mcp.errors import InvalidArgument
    from ratchet_mcp.tasks.metadata import name_of_folder
    from ratchet_mcp.tasks.problems import Problems

    base = find_template(template).texts
    name = name_of_folder(path.absolute().name)
    problems = Problems()
    identity = {"uuid": str(uuid4()), "name": name, "version": "1.0.0"}
    texts = changed(without(base, "title"), Parts(title=label), identity, problems)
    made = checked(name, texts, problems, limits, str(path))
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InvalidArgument(f"{path} is there already; nothing was written.", hint="Name a folder that does not exist yet.")
        for file, text in texts.items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            with (path / file).open("x", encoding="utf-8", newline="") as stream:
                stream.write(text)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror or error}.", hint="Choose another folder.") from None
    return {"task": made.reference, "uuid": str(made.uuid), "path": str(path), "template": template, "files": sorted(texts)}
