"""`ratchet validate`: everything that is wrong with a task, before anybody runs it; `--fix` repairs what has one right answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.authoring.findings import Finding
    from ratchet_mcp.cli.fixing import Fix
    from ratchet_mcp.errors import RatchetError
    from ratchet_mcp.settings import Limits
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.files import TaskFiles

FromFs = Annotated[Path, typer.Option("--from-fs", help="Folder or ZIP file of a task, or a folder of such.", metavar="PATH")]
Fixing = Annotated[bool, typer.Option("--fix", help="Repair what has one right answer; changed files keep a backup.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="With --fix: show the changes and write nothing.")]
DEFINITIONS = ("metadata.json", "meta.yaml", "meta.yml")


def validate(
    from_fs: FromFs,
    fix: Fixing = False,
    dry_run: DryRun = False,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Check a task: metadata, code, schemas, tests, and what they mean. Exit status 1 when something is wrong, or would be changed."""
    from ratchet_mcp.cli.output import print_json
    from ratchet_mcp.settings.loader import load

    if dry_run and not fix:
        raise typer.BadParameter("--dry-run goes with --fix")
    limits = load(config, profile).limits
    fixes = [_fix(path, limits, dry_run=dry_run, as_json=as_json) for path in _tasks_in(from_fs)] if fix else []
    reports = [report for path in _tasks_in(from_fs) for report in _check(path, limits, as_json=as_json)]
    valid = all(report["valid"] for report in reports)
    if as_json:
        whole: dict[str, Any] = reports[0] if len(reports) == 1 else {"valid": valid, "tasks": reports}
        print_json({**whole, "fixes": [each.to_dict() for each in fixes]} if fix else whole)
    if not valid or (dry_run and any(each.changes for each in fixes)):
        raise typer.Exit(1)


def _tasks_in(path: Path) -> list[Path]:
    """Return the path itself, or the tasks inside when it is a folder of tasks."""
    if not path.is_dir() or any((path / name).is_file() for name in DEFINITIONS):
        return [path]
    inside = [child for child in sorted(path.iterdir()) if any((child / name).is_file() for name in DEFINITIONS) or child.suffix == ".zip"]
    return inside or [path]


def _fix(path: Path, limits: Limits, *, dry_run: bool, as_json: bool) -> Fix:
    from ratchet_mcp.cli.fixing import fix, show

    done = fix(path, limits, dry_run=dry_run)
    if not as_json:
        show(done)
    return done


# ---------------------------------------------------------------- checking
def _check(path: Path, limits: Limits, *, as_json: bool) -> Iterator[dict[str, Any]]:
    """Check the task at a path, or the tasks of a collection ZIP."""
    from ratchet_mcp.errors import TaskInvalid, TaskSyntaxError
    from ratchet_mcp.tasks.loading import load_files, load_task

    for place, files in _files_at(path, limits):
        try:
            if files is None:
                task, location = load_task(path, limits=limits), str(path)
            else:
                location = place
                task = load_files(files, origin="folder", location=place, limits=limits)
        except (TaskInvalid, TaskSyntaxError) as error:
            yield _bad(place, error, as_json=as_json)
        else:
            yield _good(location, task, _findings(task, path, files, limits), as_json=as_json)


def _files_at(path: Path, limits: Limits) -> list[tuple[str, TaskFiles | None]]:
    """Return each task of a collection ZIP with its files; a single task is read by its path."""
    if path.is_dir() or path.suffix.lower() != ".zip":
        return [(str(path), None)]
    from ratchet_mcp.errors import RatchetError
    from ratchet_mcp.registry.archives import Archive

    try:
        with Archive(path) as archive:
            if len(archive.tasks) > 1:
                return [(f"{path}!/{packed.folder}", archive.read(packed, limits=limits)) for packed in archive.tasks]
    except RatchetError:
        pass  # reading it as a task says what is wrong with it
    return [(str(path), None)]


def _findings(task: Task, path: Path, files: TaskFiles | None, limits: Limits) -> list[Finding]:
    from ratchet_mcp.authoring.lint.checks import lint
    from ratchet_mcp.authoring.validation import texts_of_files
    from ratchet_mcp.tasks.files import read_files
    from ratchet_mcp.tasks.problems import Problems

    return lint(task, texts_of_files(read_files(path, Problems(), limits) if files is None else files))


def _good(path: str, task: Task, findings: list[Finding], *, as_json: bool) -> dict[str, Any]:
    valid = not any(each.severity == "error" for each in findings)
    if not as_json:
        _print_findings(task, findings, valid=valid)
    return {
        "path": path,
        "valid": valid,
        "task": task.reference,
        "uuid": str(task.uuid),
        "form": task.code.form,
        "tests": len(task.tests),
        "findings": [each.to_dict() for each in findings],
    }


def _print_findings(task: Task, findings: list[Finding], *, valid: bool) -> None:
    """Print what is worth knowing; hints are only counted."""
    from ratchet_mcp.cli.output import console, print_text, printable

    hints = sum(1 for each in findings if each.severity == "hint")
    more = f"; {hints} hint{'s' if hints > 1 else ''}, see --json" if hints else ""
    print_text(f"{task.reference}: {'valid' if valid else 'not valid'} ({task.code.form}, {len(task.tests)} tests{more})")
    out = console(stderr=True)
    for each in findings:
        if each.severity == "hint":
            continue
        place = each.file + (f":{each.line}" + (f":{each.column}" if each.column else "") if each.line else "")
        out.print(f"  {each.severity}", style="red" if each.severity == "error" else "yellow", end="")
        out.print(f"[{each.code}] {printable(' '.join(part for part in (place, each.path) if part))}: {printable(each.message)}")
        if each.suggestion:
            out.print(f"    {printable(each.suggestion)}", style="dim")


def _bad(path: str, error: RatchetError, *, as_json: bool) -> dict[str, Any]:
    from ratchet_mcp.cli.output import print_error

    if not as_json:
        print_error(error)
    details = error.details
    problems = details.get("problems") or [{"file": details.get("file"), "line": details.get("line"), "message": error.message}]
    return {"path": path, "valid": False, "problems": problems, "error": error.to_dict()}
