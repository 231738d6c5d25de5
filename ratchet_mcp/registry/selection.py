"""Which version of which task a reference means: a name, a UUID, and after `@` a version, a range or `latest`."""

from __future__ import annotations

import difflib
import re
from typing import Any
from uuid import UUID

from ratchet_mcp.errors import AmbiguousTask, InvalidArgument, RatchetError, TaskNotFound
from ratchet_mcp.registry.index import Entry, Index
from ratchet_mcp.tasks.versions import LATEST, is_range, is_version, newest_in_range

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def choose(index: Index, reference: str) -> Entry:
    """Return the entry that a reference means. Raises `TaskNotFound` with suggestions, `AmbiguousTask` or `InvalidArgument`."""
    base, at, version = reference.partition("@")
    entries = index.by_uuid.get(UUID(base)) if _UUID.fullmatch(base) else index.by_name.get(base)
    if not entries:
        raise _not_found(index, reference, base)
    if not at or version.strip() == LATEST:
        return _only(entries, base)
    return _of_version(index, entries, base, version.strip())


def _only(entries: list[Entry], base: str) -> Entry:
    """Return the first of entries that must all be one task."""
    if len({entry.summary.uuid for entry in entries}) == 1:
        return entries[0]
    candidates = [{"task": entry.summary.reference, "uuid": str(entry.summary.uuid), "origin": entry.summary.origin} for entry in entries]
    named = ", ".join(f"{each['task']} ({each['uuid']})" for each in candidates[:10])
    raise AmbiguousTask(
        f"{base!r} means several tasks: {named}.", hint="Name one of them by its version or UUID.", details={"candidates": candidates}
    )


def _of_version(index: Index, entries: list[Entry], name: str, version: str) -> Entry:
    for entry in entries:
        if entry.summary.version == version:
            return entry
    available = [entry.summary.version for entry in entries]
    listed = ", ".join(available[:10])
    if is_range(version):
        newest = newest_in_range(available, version)
        if newest is not None:
            matching = [entry for entry in entries if newest_in_range([entry.summary.version], version)]
            _only(matching, f"{name}@{version}")
            return next(entry for entry in entries if entry.summary.version == newest)
    elif not is_version(version):
        raise InvalidArgument(
            f"{version[:64]!r} is neither a version nor a range of versions.",
            hint=f"Ask for {name}@{available[0]}, {name}@^{available[0]}, {name}@1.x, or {name} for the newest. Versions: {listed}.",
            details={"versions": available},
        )
    suggestions = [entry.summary.reference for entry in entries[:5]]
    details = {"suggestions": suggestions, "versions": available}
    raise _missing(index, f"{name} has no version {version[:64]}.", details, f"Versions: {listed}.")


def _not_found(index: Index, reference: str, base: str) -> RatchetError:
    broken = index.broken.get(base)
    if broken is not None:
        return type(broken)(broken.message, hint=broken.hint, details=broken.details)
    shown = reference[:200]
    if not base:
        return TaskNotFound("The name of a task is missing.")
    plain = re.sub(r"[^a-z0-9_]+", "-", base[:64].lower())
    suggestions = difflib.get_close_matches(plain, index.by_name, 3, 0.5)
    if not suggestions and len(plain) >= 3:
        suggestions = [name for name in index.by_name if plain in name or name in plain][:3]
    near = f" Did you mean {' or '.join(suggestions)}?" if suggestions else ""
    return _missing(index, f"There is no task {shown!r}.{near}", {"suggestions": suggestions})


def _missing(index: Index, message: str, details: dict[str, Any], hint: str | None = None) -> TaskNotFound:
    """Return the error of what is not here; it names the sources that may have it, because they were never fetched."""
    error = TaskNotFound(message, hint=hint, details=details)
    if index.unfetched:
        names = ", ".join(name[:80] for name in index.unfetched)
        error.hint = f"Nothing has been fetched yet of {names}: `ratchet repo refresh` does that, a running server by itself. {error.hint}"
        error.details["unfetched"] = list(index.unfetched)
    return error
