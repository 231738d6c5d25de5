"""Finds the tasks among the files of a commit, without a checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ratchet_mcp.registry.remote.git_repository import Blob
from ratchet_mcp.registry.walk import is_ignored
from ratchet_mcp.tasks.files import CODE_FILES, MAX_ZIP_BYTES, METADATA_FILES, is_wanted
from ratchet_mcp.tasks.reading import hidden_characters


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder (`files` by their names inside it) or a ZIP (`archive`) that may hold a task, or what is `wrong` with it."""

    path: str
    files: dict[str, Blob] = field(default_factory=dict[str, Blob])
    archive: Blob | None = None
    wrong: str | None = None

    @property
    def content(self) -> str:
        """Return what changes when one of the files does."""
        listed = sorted((name, blob.id, blob.link) for name, blob in self.files.items())
        return self.archive.id if self.archive else hashlib.sha256(repr(listed).encode()).hexdigest()


def find_candidates(blobs: Iterable[Blob], depth: int) -> Iterator[Candidate]:
    """Yield what may hold a task, in the order of the paths; the rules are those of a folder on disk."""
    folders: dict[str, dict[str, Blob]] = {}
    for blob in blobs:
        folder, _, name = blob.path.rpartition("/")
        folders.setdefault(folder, {})[name] = blob
    homes = {folder for folder, files in folders.items() if any(name in files for name in METADATA_FILES)}
    found: list[Candidate] = []
    for folder, files in folders.items():
        if not _is_reached(folder, homes, depth):
            continue
        if _is_hidden(folder):
            found.append(Candidate(ascii(folder)[1:-1], wrong="the folder's name holds characters that cannot be shown"))
        elif folder in homes:
            tests = folders.get(f"{folder}/tests" if folder else "tests", {})
            found.append(_task(folder, {**files, **{f"tests/{name}": blob for name, blob in tests.items()}}))
        elif folder and any(name in files for name in CODE_FILES):
            found.append(Candidate(folder, wrong="there is code, but no metadata.json"))
        else:
            found += _zips(folder, files, depth)
    yield from sorted(found, key=lambda candidate: candidate.path)


def _is_reached(folder: str, homes: set[str], depth: int) -> bool:
    """Tell whether the search comes to a folder: not too deep, not ignored, not inside a task."""
    if not folder:
        return True
    parts = PurePosixPath(folder).parts
    if len(parts) > max(depth, 1) or any(is_ignored(part) for part in parts):
        return False
    around = ("", *("/".join(parts[:length]) for length in range(1, len(parts))))
    return not any(each in homes for each in around)


def _task(folder: str, files: dict[str, Blob]) -> Candidate:
    kept = {name: blob for name, blob in files.items() if is_wanted(name)}
    wrong = [f"{name} is a symbolic link, which is not followed in a repository" for name, blob in kept.items() if blob.link]
    wrong += [f"the file name {name!a} holds characters that cannot be shown" for name in kept if _is_hidden(name)]
    return Candidate(folder, kept, wrong=wrong[0] if wrong else None)


def _is_hidden(path: str) -> bool:
    """Tell whether a path holds control or direction characters, or bytes that are no UTF-8."""
    return hidden_characters(path) is not None or any("\ud800" <= char <= "\udfff" for char in path)


def _zips(folder: str, files: dict[str, Blob], depth: int) -> Iterator[Candidate]:
    level = len(PurePosixPath(folder).parts) if folder else 0
    for name, blob in files.items():
        if name.lower().endswith(".zip") and not is_ignored(name) and not blob.link and level < max(depth, 1):
            path = f"{folder}/{name}" if folder else name
            if _is_hidden(path):
                yield Candidate(ascii(path)[1:-1], wrong="the ZIP's name holds characters that cannot be shown")
            elif blob.size > MAX_ZIP_BYTES:
                yield Candidate(path, wrong=f"the ZIP is larger than {MAX_ZIP_BYTES >> 20} MiB")
            else:
                yield Candidate(path, archive=blob)
