"""`ratchet repo verify`: loads every task of the sources, and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ratchet_mcp.errors import RatchetError

if TYPE_CHECKING:
    from ratchet_mcp.registry.source import Found, Source, TaskProblem
    from ratchet_mcp.settings import Limits


def verify(name: str | None, config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Print a line for each task. Exit status 1 when something is wrong."""
    from ratchet_mcp.cli.output import console, print_json, print_text, printable
    from ratchet_mcp.cli.repo_sources import chosen, opened, tell_problems

    settings, sources, problems = opened(config, profile)
    selected = chosen(name, sources, problems)
    problems = [problem for problem in problems if name in (None, problem.source)]
    checked: list[dict[str, Any]] = []
    work = [(source, found) for source in selected for found in _places(source, settings.limits, problems)]
    from rich.progress import track

    terminal = console(stderr=True)
    for source, found in track(work, "Verifying", console=terminal, transient=True, disable=as_json or not terminal.is_terminal):
        checked.append(_check(source, found, settings.limits, settings.registry.pins, problems))
    valid = not any(not problem.warning for problem in problems)
    if as_json:
        print_json({"valid": valid, "tasks": checked, "problems": [problem.to_dict() for problem in problems]})
    else:
        for each in checked:
            print_text(f"{'ok ' if each['valid'] else 'BAD'} {printable(each['task'])} ({printable(each['source'])})")
        tell_problems(problems)
    if not valid:
        raise typer.Exit(1)


def _places(source: Source, limits: Limits, problems: list[TaskProblem]) -> Iterator[Found]:
    """Bring a source here if nothing of it is, check what it keeps, and yield its tasks; what is wrong goes to `problems`."""
    from ratchet_mcp.registry.source import TaskProblem

    results: list[Found | TaskProblem] = []
    try:
        results = list(source.scan(limits))
        if not results and source.remote:
            source.refresh()
            results = list(source.scan(limits))
        check = getattr(source, "check", None)
        if check is not None:
            check()
    except RatchetError as error:
        problems.append(TaskProblem(source.name, source.uri, error))
    for result in results:
        if isinstance(result, TaskProblem):
            problems.append(result)
        else:
            yield result


def _check(source: Source, found: Found, limits: Limits, pins: dict[str, str], problems: list[TaskProblem]) -> dict[str, Any]:
    from ratchet_mcp.errors import ContentChanged
    from ratchet_mcp.registry.source import TaskProblem

    reference = f"{found.metadata.name}@{found.metadata.version}"
    report: dict[str, Any] = {"task": reference, "source": source.name, "location": found.place.location, "valid": True}
    try:
        task = found.place.load(limits, source.name)
        report |= {"digest": task.digest, "tests": len(task.tests)}
        pin = pins.get(reference)
        if pin not in (None, task.digest):
            details = {"task": reference, "source": source.name, "known_digest": pin, "new_digest": task.digest}
            raise ContentChanged(f"{reference} has other content than its pin says.", details=details)
    except RatchetError as error:
        report["valid"] = False
        problems.append(TaskProblem(source.name, found.place.location, error))
    return report
