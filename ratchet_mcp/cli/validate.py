"""`ratchet validate`: everything that is wrong with a task, before anybody runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.errors import RatchetError
    from ratchet_mcp.tasks.definition import Task

FromFs = Annotated[Path, typer.Option("--from-fs", help="Folder or ZIP file of a task, or a folder of such.", metavar="PATH")]
DEFINITIONS = ("metadata.json", "meta.yaml", "meta.yml")


def validate(from_fs: FromFs, as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Check a task: metadata, code, schemas, tests. Lists all problems; exit status 1 when there is one."""
    from ratchet_mcp.cli.output import print_error, print_json, print_text
    from ratchet_mcp.errors import TaskInvalid, TaskSyntaxError
    from ratchet_mcp.settings.loader import load
    from ratchet_mcp.tasks.loading import load_task

    settings = load(config, profile)
    reports: list[dict[str, Any]] = []
    for path in _tasks_in(from_fs):
        try:
            task = load_task(path, limits=settings.limits)
            reports.append(_good(path, task))
        except (TaskInvalid, TaskSyntaxError) as error:
            reports.append(_bad(path, error))
            if not as_json:
                print_error(error)
    valid = all(report["valid"] for report in reports)
    if as_json:
        print_json(reports[0] if len(reports) == 1 else {"valid": valid, "tasks": reports})
    for report in reports:
        if report["valid"] and not as_json:
            print_text(f"{report['task']}: valid ({report['form']}, {report['tests']} tests)")
    if not valid:
        raise typer.Exit(1)


def _tasks_in(path: Path) -> list[Path]:
    """Return the path itself, or the tasks inside when it is a folder of tasks."""
    if not path.is_dir() or any((path / name).is_file() for name in DEFINITIONS):
        return [path]
    inside = [child for child in sorted(path.iterdir()) if any((child / name).is_file() for name in DEFINITIONS) or child.suffix == ".zip"]
    return inside or [path]


def _good(path: Path, task: Task) -> dict[str, Any]:
    form = task.code.form
    return {"path": str(path), "valid": True, "task": task.reference, "uuid": str(task.uuid), "form": form, "tests": len(task.tests)}


def _bad(path: Path, error: RatchetError) -> dict[str, Any]:
    details = error.details
    problems = details.get("problems") or [{"file": details.get("file"), "line": details.get("line"), "message": error.message}]
    return {"path": str(path), "valid": False, "problems": problems, "error": error.to_dict()}
