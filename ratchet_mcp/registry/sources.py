"""Opens the sources that the settings name, in order of precedence."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loguru import logger

from ratchet_mcp.errors import RatchetError, SourceFailed
from ratchet_mcp.registry.bundled import bundled_path
from ratchet_mcp.registry.folders import DEFAULT_DEPTH, MAX_DEPTH, FolderSource
from ratchet_mcp.registry.remote.uris import mask
from ratchet_mcp.registry.source import Source, TaskProblem
from ratchet_mcp.settings import Limits, NetworkSettings, RegistrySettings, SourceSettings

BUNDLED, DATABASE = "bundled", "database"
"""Names of the sources that need no settings."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_LOCAL_KEYS = frozenset({"depth"})


def open_sources(
    settings: RegistrySettings, limits: Limits, network: NetworkSettings | None = None
) -> tuple[list[Source], list[TaskProblem]]:
    """Return the sources of the settings, then the bundled tasks. Nothing is read and no network is used yet.

    A source that cannot be opened is a problem; the others stay.
    """
    sources: list[Source] = []
    problems: list[TaskProblem] = []
    for each in settings.sources:
        try:
            if each.name in (BUNDLED, DATABASE) or each.name in {source.name for source in sources}:
                raise failed(each, f"the name {each.name} is taken; give each source a name of its own")
            sources.append(_open(each, settings, limits, network))
        except RatchetError as error:
            problems.append(TaskProblem(each.name, shown_uri(each.uri), error))
        except Exception as error:
            logger.opt(exception=error).error("Opening the source {} failed on a defect", each.name)
            problems.append(TaskProblem(each.name, shown_uri(each.uri), failed(each, f"it cannot be opened ({type(error).__name__})")))
    if settings.bundled:
        try:
            sources.append(FolderSource(BUNDLED, bundled_path(), kind="bundled"))
        except RatchetError as error:
            problems.append(TaskProblem(BUNDLED, "ratchet_mcp", error))
    return sources, problems


def _open(settings: SourceSettings, registry: RegistrySettings, limits: Limits, network: NetworkSettings | None) -> Source:
    if is_remote(settings.uri):
        from ratchet_mcp.registry.remote import open_remote

        return open_remote(settings, registry, limits, network)
    unknown = settings.config.keys() - _LOCAL_KEYS
    if unknown:
        raise failed(settings, f"config.{min(unknown)[:80]} is not an option of a folder or ZIP; depth is")
    depth = settings.config.get("depth", DEFAULT_DEPTH)
    if isinstance(depth, bool) or not isinstance(depth, int) or not 0 <= depth <= MAX_DEPTH:
        raise failed(settings, f"config.depth is a whole number from 0 to {MAX_DEPTH}")
    return FolderSource(settings.name, path_of_uri(settings.uri), depth)


def is_remote(uri: str) -> bool:
    """Tell whether a URI names an HTTP index or a git repository."""
    scheme = _SCHEME.match(uri)
    return (scheme is not None and scheme[1].lower() in ("http", "https")) or uri.startswith("git+") or uri.endswith(".git")


def path_of_uri(uri: str) -> Path:
    """Turn a path or a `file://` URI into a path; `~` is the user's home. Raises `SourceFailed` for other schemes."""
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return Path(uri.removeprefix("file:")).expanduser()
    if scheme[1].lower() != "file":
        message = f"sources of the kind {scheme[1]}:// are not supported"
        raise SourceFailed(
            f"{shown_uri(uri)}: {message}",
            hint="Name a folder, a ZIP, an index (https://) or a git repository (git+https://).",
            details={"uri": shown_uri(uri)},
        )
    path = uri[len("file://") :]
    if "%" in path:
        path = unquote(urlsplit(uri).path)
    return Path(path.removeprefix("localhost")).expanduser()


def shown_uri(uri: str) -> str:
    """Return a URI as it may be shown: without user, password and query."""
    return mask(uri)[:200]


def failed(settings: SourceSettings, message: str) -> SourceFailed:
    """Return the error of a source that cannot be opened."""
    return SourceFailed(
        f"The source {settings.name[:80]} cannot be used: {message}: {shown_uri(settings.uri)}",
        hint="Correct registry.sources in the settings.",
        details={"source": settings.name[:80], "uri": shown_uri(settings.uri)},
    )
