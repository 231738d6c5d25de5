"""Tasks of a git repository, read straight out of its object store: nothing is ever checked out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import stamina

from ratchet_mcp.errors import RatchetError, SourceFailed
from ratchet_mcp.registry.archives import Archive
from ratchet_mcp.registry.remote import addresses
from ratchet_mcp.registry.remote.addresses import AddressRefused, Guard, Resolve
from ratchet_mcp.registry.remote.cache import key_of, private_folder, write_atomically
from ratchet_mcp.registry.remote.credentials import CredentialsMissing, read_credentials
from ratchet_mcp.registry.remote.failures import source_failed
from ratchet_mcp.registry.remote.git_process import Git, GitFailed
from ratchet_mcp.registry.remote.git_repository import Blob, GitRepository
from ratchet_mcp.registry.remote.git_tasks import Candidate, find_candidates
from ratchet_mcp.registry.remote.options import GitOptions
from ratchet_mcp.registry.remote.uris import RemoteUri
from ratchet_mcp.registry.source import Found, TaskProblem
from ratchet_mcp.registry.walk import MAX_TASKS, invalid
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import METADATA_FILES, TaskFiles, limit_of
from ratchet_mcp.tasks.loading import load_files, load_metadata_of

SCAN_BYTES = 512 << 20
"""How much of a repository is read, one part after the other, to list its tasks: their metadata, and whole ZIPs."""
_BATCH, _BATCH_BYTES = 2000, 16 << 20
_LFS = b"version https://git-lfs."


@dataclass(frozen=True, slots=True)
class GitPlace:
    """One task in a repository. Two are equal when the files of the task are the same, in whatever commit."""

    source: str
    location: str
    content: str
    _read: Callable[[Limits, str], Task] = field(compare=False, repr=False)

    def load(self, limits: Limits, origin: str) -> Task:
        """Read the task from what was fetched. Raises `TaskInvalid` or `SourceFailed`."""
        return self._read(limits, origin)


class GitSource:
    """A source of the kind `git`. `resolve` takes the place of the system's, for tests."""

    kind = "git"
    remote = True

    def __init__(self, name: str, uri: RemoteUri, options: GitOptions, cache: Path, *, resolve: Resolve = addresses.resolve) -> None:
        self.name, self.uri = name, uri.shown
        self.refresh_seconds = options.refresh_seconds if options.commit is None else None
        self._url, self._transport, self._options = uri.url, uri.transport, options
        wanted = options.commit or options.tag or options.branch or "HEAD"
        kind = "commit" if options.commit else "tag" if options.tag else "branch" if options.branch else "head"
        self._ref = wanted[:12] if options.commit else wanted
        self._folder = cache / "git" / key_of(uri.url, kind, wanted)
        self._home = self._folder / "home"
        self._repository = GitRepository(self._folder, uri.url, options)
        self._resolve = resolve

    def watched(self) -> Path | None:
        """Return None: what was fetched never changes by itself."""
        return None

    # ------------------------------------------------------------ the repository
    @property
    def fetched(self) -> bool:
        """Tell whether a commit is here."""
        return self._repository.current() is not None

    def refresh(self) -> bool:
        """Fetch the newest commit, or a pinned one if it is not here; True if it is another than before. Raises `SourceFailed`."""
        before = self._repository.current()
        if self._options.commit is not None and before == self._options.commit:
            return False
        try:
            git = self._git(read_credentials(self._options), self._checked())
            for attempt in stamina.retry_context(on=_again, attempts=self._options.attempts, timeout=self._options.timeout_seconds):
                with attempt:
                    return self._repository.update(git) != before
        except GitFailed as error:
            raise self._failed(error.message, hint=error.hint) from None
        except CredentialsMissing as error:
            raise self._failed(str(error), hint="Set it where the server is started.") from None
        except OSError as error:
            raise self._failed(f"the cache folder {self._folder} cannot be written: {error.strerror}") from None
        return False  # pragma: no cover  the loop returns or raises

    def _checked(self) -> tuple[str, ...]:
        """Return the addresses that git may connect to over https; what the host was at first, private or not, it must stay.

        Raises `GitFailed`.
        """
        if self._transport != "https":
            return ()
        parts = urlsplit(self._url)
        host, port, note = parts.hostname or "", parts.port or 443, self._folder / "private"
        known = note.read_text("ascii") == "true" if note.is_file() else None
        guard = Guard(host, port, private=self._options.private if self._options.private is not None else known)
        try:
            found = guard.allowed(host, port, self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise GitFailed(
                f"the host {host} has no address ({why})", hint="Check the address, and that this machine resolves names."
            ) from None
        except AddressRefused as error:
            raise GitFailed(f"it was not fetched: {error}") from None
        if known is None:
            private_folder(self._folder)
            write_atomically(note, str(bool(guard.private)).lower().encode())
        return tuple(found)

    def scan(self, limits: Limits) -> Iterator[Found | TaskProblem]:
        """Yield the tasks of the commit that was last fetched; nothing before the first time."""
        commit = self._repository.current()
        if commit is None:
            return
        try:
            git = self._git()
            candidates = list(find_candidates(self._repository.tree(git, commit, self._options.folder), self._options.depth))
            if len(candidates) > MAX_TASKS:
                yield TaskProblem(self.name, self.uri, invalid(self.uri, f"there are more than {MAX_TASKS} tasks"))
            for batch in _batches(candidates[:MAX_TASKS]):
                if batch is None:
                    yield TaskProblem(self.name, self.uri, invalid(self.uri, f"what tells of its tasks is over {SCAN_BYTES >> 20} MiB"))
                else:
                    yield from self._scan(git, commit, batch, limits)
        except (GitFailed, OSError) as error:
            hint = f"Check config.folder: {self._options.folder}." if self._options.folder else None
            yield TaskProblem(self.name, self.uri, self._failed(_told(error), hint=getattr(error, "hint", None) or hint))

    def _scan(self, git: Git, commit: str, candidates: list[Candidate], limits: Limits) -> Iterator[Found | TaskProblem]:
        blobs = [blob for each in candidates for blob in _metadata(each).values()]
        contents = self._repository.read(git, commit, blobs)
        for each in candidates:
            location = self._location(each.path)
            if each.wrong is not None:
                yield TaskProblem(self.name, location, invalid(location, each.wrong))
            elif each.archive is not None:
                yield from self._scan_archive(git, commit, each, each.archive, limits)
            else:
                files = TaskFiles(self._name(each), {name: contents.get(blob.id, _oversized(name, limits)) for name, blob in _heads(each)})
                try:
                    metadata = load_metadata_of(files, location, limits)
                except RatchetError as error:
                    yield TaskProblem(self.name, location, error)
                else:
                    yield Found(metadata, self._place(commit, each, location))

    def _scan_archive(self, git: Git, commit: str, each: Candidate, blob: Blob, limits: Limits) -> Iterator[Found | TaskProblem]:
        location = self._location(each.path)
        try:
            with Archive(self._repository.read(git, commit, [blob])[blob.id], Path(each.path).stem) as archive:
                for packed in archive.tasks:
                    inside = f"{location}!/{packed.folder}" if packed.folder else location
                    try:
                        metadata = load_metadata_of(archive.read(packed, only=METADATA_FILES, limits=limits), inside, limits)
                    except RatchetError as error:
                        yield TaskProblem(self.name, inside, error)
                    else:
                        yield Found(metadata, self._place(commit, each, inside, packed.folder))
        except RatchetError as error:
            yield TaskProblem(self.name, location, error)

    # ------------------------------------------------------------ the tasks
    def _place(self, commit: str, each: Candidate, location: str, folder: str = "") -> GitPlace:
        key = f"{each.content}!{folder}"
        return GitPlace(self.name, location, key, lambda limits, origin: self._load(commit, each, folder, location, limits, origin))

    def _load(self, commit: str, each: Candidate, folder: str, location: str, limits: Limits, origin: str) -> Task:
        if each.archive is not None:
            data = self._contents(commit, [each.archive])[each.archive.id]
            with Archive(data, Path(each.path).stem) as archive:
                return load_files(archive.read(archive.task(folder), limits=limits), origin=origin, location=location, limits=limits)
        small = {name: blob for name, blob in each.files.items() if blob.size <= limit_of(name, limits)}
        contents = self._contents(commit, list(small.values()))
        files = {name: contents[blob.id] if name in small else _oversized(name, limits) for name, blob in each.files.items()}
        for name, data in files.items():
            if data.startswith(_LFS):
                raise invalid(location, f"{name} is kept in Git LFS, which is not fetched; commit the file itself")
        return load_files(TaskFiles(self._name(each), files), origin=origin, location=location, limits=limits)

    def _contents(self, commit: str, blobs: list[Blob]) -> dict[str, bytes]:
        """Read contents from their commit, or from another that holds the same ones, when that has been cleared away."""
        failure: GitFailed | OSError = GitFailed("nothing of it is in the cache any more", hint="Refresh the source.")
        try:
            git = self._git()
            for each in dict.fromkeys((commit, *self._repository.commits())):
                if self._repository.has(each):
                    try:
                        return self._repository.read(git, each, blobs)
                    except GitFailed as error:
                        failure = error
        except OSError as error:
            failure = error
        raise self._failed(_told(failure), hint=getattr(failure, "hint", None))

    def _name(self, each: Candidate) -> str:
        path = each.path or self._options.folder or self._url.rstrip("/")
        return path.rpartition("/")[2].removesuffix(".git")

    def _location(self, path: str) -> str:
        """Return where a task is; it stays the same from commit to commit, so that the catalog knows the task again."""
        whole = "/".join(part for part in (self._options.folder, path) if part)
        scheme = "" if self.uri.startswith("git+") else "git+"
        return f"{scheme}{self.uri}#{self._ref}" + (f":{whole}" if whole else "")

    # ------------------------------------------------------------ for people
    def facts(self) -> dict[str, Any]:
        """Return what `ratchet repo status` tells: when the repository was last asked, and which commit is here."""
        return {"checked_at": self._repository.checked_at(), "commit": self._repository.current()}

    def check(self) -> None:
        """Check every object that is here against its id. Raises `SourceFailed`."""
        commit = self._repository.current()
        if commit is not None:
            try:
                self._repository.check(self._git(), commit)
            except (GitFailed, OSError) as error:
                raise self._failed(_told(error), hint="Delete the cache folder and refresh the source.") from None

    def _git(self, *credentials: Any) -> Git:
        return Git(self._url, self._transport, self._options, private_folder(self._home), *credentials)

    def _failed(self, message: str, *, hint: str | None = None) -> SourceFailed:
        return source_failed(self.name, self.uri, message, hint=hint)


def _heads(each: Candidate) -> list[tuple[str, Blob]]:
    return [(name, each.files[name]) for name in METADATA_FILES if name in each.files]


def _metadata(each: Candidate) -> dict[str, Blob]:
    """Return the metadata files of a candidate that are small enough to be read."""
    return {name: blob for name, blob in _heads(each) if each.wrong is None and blob.size <= limit_of(name, Limits())}


def _batches(candidates: list[Candidate]) -> Iterator[list[Candidate] | None]:
    """Yield candidates that are read together; None, and nothing more, when they are too much altogether."""
    batch: list[Candidate] = []
    total = of_batch = 0
    for each in candidates:
        size = sum(blob.size for blob in _metadata(each).values())
        total += size + (each.archive.size if each.archive else 0)
        if len(batch) >= _BATCH or of_batch + size > _BATCH_BYTES or total > SCAN_BYTES:
            yield batch
            batch, of_batch = [], 0
        if total > SCAN_BYTES:
            yield None
            return
        batch.append(each)
        of_batch += size
    yield batch


def _oversized(name: str, limits: Limits) -> bytes:
    """Return something that is as much over the limit as what was not read."""
    return b" " * (limit_of(name, limits) + 1)


def _again(error: Exception) -> bool:
    return isinstance(error, GitFailed) and error.again


def _told(error: Exception) -> str:
    return error.message if isinstance(error, GitFailed) else getattr(error, "strerror", None) or str(error)
