"""Repairs the files of a task folder: shows a diff, keeps backups, and writes each file in one step."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.tasks.files import read_files
from ratchet_mcp.tasks.problems import Problems

if TYPE_CHECKING:
    from ratchet_mcp.settings import Limits


@dataclass(frozen=True, slots=True)
class Change:
    """One file that was repaired, or would be."""

    file: str
    done: list[str]
    diff: str
    backup: Path | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What was repaired in a task, or would be."""

    path: Path
    changes: list[Change] = field(default_factory=list[Change])
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON values."""
        changes = [
            {"file": each.file, "done": each.done, "diff": each.diff, **({"backup": str(each.backup)} if each.backup else {})}
            for each in self.changes
        ]
        return {"path": str(self.path), "written": not self.dry_run and bool(changes), "changes": changes}


def fix(path: Path, limits: Limits, *, dry_run: bool) -> Fix:
    """Repair a task folder. Raises `InvalidArgument` for a ZIP, and when a file cannot be written or was changed meanwhile."""
    from ratchet_mcp.cli.repairs import repair
    from ratchet_mcp.cli.rewriting import rewrite

    if not path.is_dir():
        raise InvalidArgument(f"{path} is not a folder, and --fix changes files in folders only.", hint="Unpack it first.")
    repairs = repair(read_files(path, Problems(), limits))
    changes: list[Change] = []
    for file in repairs.changed:
        before, after = repairs.before.get(file), repairs.after[file]
        if not (path / file).resolve().is_relative_to(path.resolve()):
            raise InvalidArgument(f"{path / file} is a link that leaves the task's folder; it was not written.", hint="Remove the link.")
        backup = None if dry_run else rewrite(path / file, before, after, secret=False)
        changes.append(Change(file, repairs.done.get(file, []), _diff(file, before, after), backup))
    return Fix(path, changes, dry_run)


def _diff(file: str, before: str | None, after: str) -> str:
    old = (before or "").splitlines(keepends=True)
    new = after.splitlines(keepends=True)
    lines = difflib.unified_diff(old, new, f"a/{file}" if before is not None else "/dev/null", f"b/{file}")
    return "".join(line if line.endswith("\n") else line + "\n\\ no newline at the end\n" for line in lines)


def show(fixed: Fix) -> None:
    """Print what was done, with coloured diffs, on stderr."""
    from ratchet_mcp.cli.output import console, printable

    out = console(stderr=True)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for change in fixed.changes:
        word = "would change" if fixed.dry_run else "changed"
        out.print(f"{word} {printable(str(fixed.path / change.file))}: {', '.join(change.done)}", style="bold")
        for line in change.diff.splitlines():
            out.print(f"  {printable(line)}", style=colours.get(line[:1]))
        if change.backup is not None:
            out.print(f"  backup: {printable(str(change.backup))}", style="dim")
    if not fixed.changes:
        out.print(f"{printable(str(fixed.path))}: nothing to repair", style="dim")
