"""Adds a source to the user's settings file, after a look whether it answers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import InvalidArgument, SourceFailed

if TYPE_CHECKING:
    from ratchet_mcp.settings import Settings, SourceSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user typed: `more` holds texts of the form KEY=VALUE."""

    uri: str
    name: str | None
    config: Mapping[str, Any]
    more: tuple[str, ...]
    first: bool


def add(wish: Wish, config: Path | None, *, check: bool, dry_run: bool, as_json: bool) -> None:
    """Write the source into the settings file. Raises `SettingsInvalid`, `InvalidArgument` or, when it does not answer, `SourceFailed`."""
    from ratchet_mcp.cli.output import print_json
    from ratchet_mcp.cli.repo_settings import with_source
    from ratchet_mcp.cli.rewriting import read, rewrite
    from ratchet_mcp.observability.log import configure
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.settings.loader import load

    file = _settings_file(config)
    before = read(file)
    settings = load(file) if before is not None else Settings()
    configure(settings.logging.model_copy(update={"level": "WARNING", "file": None}))
    taken = {source.name for source in settings.registry.sources} | {"bundled", "database"}
    source = _source(wish, taken)
    found = _look(source, settings, check=check)
    text = with_source(file, before or "", source, first=wish.first)
    backup = None if dry_run else rewrite(file, before, text, secret=False)
    report = {
        "file": str(file),
        "source": {"name": source.name, "uri": source.uri, "config": dict(source.config)},
        "position": 1 if wish.first else len(settings.registry.sources) + 1,
        "tasks": found,
        "written": not dry_run,
        "backup": None if backup is None else str(backup),
    }
    if as_json:
        print_json(report)
    else:
        _tell(report, before or "", text)


def _settings_file(config: Path | None) -> Path:
    from ratchet_mcp.settings.files import NAMES, default_folder, find_default

    named = os.environ.get("RATCHET_CONFIG")
    chosen = config or (Path(named) if named else None) or find_default() or default_folder() / NAMES[0]
    return chosen.expanduser().absolute()


def _source(wish: Wish, taken: set[str]) -> SourceSettings:
    from ratchet_mcp.registry.remote import is_remote
    from ratchet_mcp.registry.sources import path_of_uri
    from ratchet_mcp.settings import SourceSettings

    options = {**wish.config, **dict(_option(text) for text in wish.more)}
    uri = wish.uri
    if not is_remote(uri) and not uri.endswith(".git"):
        uri = str(path_of_uri(uri).absolute())
    name = wish.name or _name_of(uri, taken)
    if not _NAME.fullmatch(name):
        raise InvalidArgument(f"{name!r} is no name for a source: letters, digits, dots, - and _, at most 64.")
    if name in taken:
        raise InvalidArgument(f"There is a source {name!r} already.", hint="Choose another with --name; `ratchet repo list` shows them.")
    return SourceSettings(name=name, uri=uri, config=options)


def _option(text: str) -> tuple[str, Any]:
    import yaml

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidArgument("--set takes KEY=VALUE, such as --set refresh_seconds=60.")
    try:
        parsed: Any = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = value
    plain = parsed is None or isinstance(parsed, str | int | float | bool)
    return key.strip(), parsed if plain else value


def _name_of(uri: str, taken: set[str]) -> str:
    from ratchet_mcp.registry.remote import mask

    plain = re.sub(r"^[a-z][a-z0-9+.-]*://|:[0-9]+(?=/|$)", "", mask(uri), flags=re.IGNORECASE)
    parts = [part for part in re.split(r"[/\\:]+", plain.removesuffix("/index.json")) if part]
    last = re.sub(r"\.(?:zip|json|git)$", "", parts[-1]) if parts else ""
    stem = re.sub(r"[^a-z0-9_-]+", "-", last.lower()).strip("-_")[:40] or "source"
    candidates = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
    return next(name for name in candidates if name not in taken)


def _look(source: SourceSettings, settings: Settings, *, check: bool) -> int | None:
    """Open the source, and with `check` count its tasks. Raises what is wrong with it."""
    from ratchet_mcp.registry.source import TaskProblem
    from ratchet_mcp.registry.sources import open_sources

    registry = settings.registry.model_copy(update={"sources": [source], "bundled": False})
    opened, problems = open_sources(registry, settings.limits, settings.network)
    if problems:
        raise problems[0].error
    if not check:
        return None
    try:
        opened[0].refresh()
        results = list(opened[0].scan(settings.limits))
    except SourceFailed as error:
        raise SourceFailed(
            error.message, hint=f"{error.hint or ''} Nothing was written; --no-check adds it all the same.".strip(), details=error.details
        ) from None
    tasks = [result for result in results if not isinstance(result, TaskProblem)]
    if not tasks and results and isinstance(results[0], TaskProblem):
        raise results[0].error
    return len(tasks)


def _tell(report: dict[str, Any], before: str, after: str) -> None:
    from difflib import unified_diff

    from ratchet_mcp.cli.output import print_text, printable
    from ratchet_mcp.cli.repo_sources import counted_tasks

    source = report["source"]
    if not report["written"]:
        # Without context: the lines around may hold what is not to be shown.
        lines = unified_diff(before.splitlines(True), after.splitlines(True), report["file"], report["file"], n=0)
        print_text(printable("".join(lines)))
    counted = "" if report["tasks"] is None else f", {counted_tasks(report['tasks'])}"
    verb = "Added to" if report["written"] else "Would be added to"
    print_text(
        f"{verb} {report['file']}: {printable(source['name'])} ({printable(source['uri'])}{counted}), at place {report['position']}."
    )
    if report["backup"]:
        print_text(f"The file as it was: {report['backup']}")
