"""Sources on this machine: a task folder, a ZIP, or a folder that holds any number of both."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ratchet_mcp.errors import SourceFailed
from ratchet_mcp.registry.source import Found
from ratchet_mcp.registry.walk import Result, Walk, ZipScan, is_ignored
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.files import CODE_FILES, METADATA_FILES

DEFAULT_DEPTH = 4
MAX_DEPTH = 16


class FolderSource:
    """A folder or a ZIP. `depth` is how many folders deep a collection is searched.

    After a scan `folders` lists those that were gone through: a change in one of them may be a change of a task.
    """

    remote = False
    fetched = True
    refresh_seconds = None

    def __init__(self, name: str, path: Path, depth: int = DEFAULT_DEPTH, *, kind: str | None = None) -> None:
        self.name, self.path, self.depth = name, path.absolute(), depth
        self.kind = kind or ("zip" if path.suffix.lower() == ".zip" and not path.is_dir() else "folder")
        self.uri = str(path)
        self.folders: tuple[str, ...] = ()
        self._root = str(self.path)
        self._found: dict[str, Found] = {}
        self._zips: dict[str, ZipScan] = {}

    def refresh(self) -> bool:
        """Tell that a scan may find something new; there is nothing to fetch."""
        return True

    def watched(self) -> Path | None:
        """Return the folder or the ZIP."""
        return self.path

    def scan(self, limits: Limits) -> Iterator[Result]:
        """Yield its tasks; what looks like a task but is none is a problem. Raises `SourceFailed` when there is nothing at its path."""
        if not self.path.exists():
            raise self._failed("there is no such file or folder")
        if not self.path.is_dir() and self.path.suffix.lower() != ".zip":
            raise self._failed("this is neither a folder nor a ZIP")
        walk = Walk(self.name, self._root, self.depth, limits, self._found, self._zips)
        yield from walk.enter(self._root, 0)
        self._found, self._zips = walk.found, walk.zips
        self.folders = tuple(walk.folders) or (str(self.path.parent),)

    def look(self, units: Collection[str], limits: Limits) -> list[Result]:
        """Return what there is in some folders or ZIPs of the source now; nothing for those that are gone. See `unit_of`."""
        walk = Walk(self.name, self._root, self.depth, limits, self._found, self._zips)
        results: list[Result] = []
        for unit in units:
            level = len(Path(unit).relative_to(self.path).parts)
            if level <= max(self.depth, 1):
                results += walk.enter(unit, level)
        inside = inside_of(units)
        self._found = {place: found for place, found in self._found.items() if not inside(place)} | walk.found
        self._zips = {place: zipped for place, zipped in self._zips.items() if not inside(place)} | walk.zips
        self.folders = tuple(dict.fromkeys([*(folder for folder in self.folders if not inside(folder)), *walk.folders]))
        return results

    def unit_of(self, path: str) -> str | None:
        """Return the task folder, collection folder or ZIP to look at after a change of `path`; None when the change means nothing."""
        if path != self._root and not path.startswith(self._root + os.sep):
            return None
        current = self._root
        for part in path[len(self._root) + 1 :].split(os.sep) if path != self._root else ():
            if _is_task(current):
                return current
            if is_ignored(part):
                return None
            if part in (*METADATA_FILES, *CODE_FILES):
                return current
            current = os.path.join(current, part)
            if os.path.islink(current) or not os.path.isdir(current):
                return current
        return current

    def _failed(self, message: str) -> SourceFailed:
        return SourceFailed(
            f"The source {self.name} cannot be used: {message}: {self.uri[:200]}",
            hint="Correct registry.sources, or put the folder back; it is looked for again.",
            details={"source": self.name, "uri": self.uri[:200]},
        )


def inside_of(units: Collection[str]) -> Callable[[str], bool]:
    """Return a test whether a place is one of `units`, or lies in one: they are folders and ZIPs."""
    chosen = frozenset(units)

    def test(place: str) -> bool:
        place = place.partition("!/")[0] if "!/" in place else place
        while place not in chosen:
            place, slash, _ = place.rpartition(os.sep)
            if not slash:
                return False
        return True

    return test


def _is_task(folder: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, name)) for name in METADATA_FILES)
