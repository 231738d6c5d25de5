"""What was fetched of a git repository: one bare, shallow repository for each commit, in a folder that several servers share.

A repository is made aside and renamed into its place when it is whole. It is never changed afterwards, so nobody needs a lock.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet_mcp.registry.remote.cache import private_folder, write_atomically
from ratchet_mcp.registry.remote.git_process import Git, GitFailed
from ratchet_mcp.registry.remote.options import GitOptions
from ratchet_mcp.tasks.json_values import is_object

KEPT_COMMITS = 3
_TREE_BYTES = 96 << 20
_STALE_SECONDS = 3600.0
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEAD = "refs/ratchet/head"


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a commit: its path, the id of its content, and its size. `link` tells symbolic links."""

    path: str
    id: str
    size: int
    link: bool = False


class GitRepository:
    """The commits of one repository that are here. Raises `GitFailed` for everything that git refuses."""

    def __init__(self, folder: Path, url: str, options: GitOptions) -> None:
        self._folder, self._url, self._options = folder, url, options

    def current(self) -> str | None:
        """Return the commit that was fetched last and is still here."""
        try:
            state: Any = json.loads((self._folder / "state.json").read_bytes())
        except (OSError, ValueError):
            return None
        commit: Any = state.get("commit") if is_object(state) else None
        return commit if isinstance(commit, str) and _ID.fullmatch(commit) and self.has(commit) else None

    def checked_at(self) -> float | None:
        """Return when the repository was last asked, in seconds since 1970."""
        try:
            return (self._folder / "state.json").stat().st_mtime
        except OSError:
            return None

    def has(self, commit: str) -> bool:
        """Tell whether a commit is here."""
        return (self._place(commit) / "HEAD").is_file()

    def commits(self) -> list[str]:
        """Return the commits that are here, the newest first."""
        with suppress(OSError):
            found = [path for path in self._folder.iterdir() if path.suffix == ".git" and _ID.fullmatch(path.stem)]
            return [path.stem for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]
        return []

    def _place(self, commit: str) -> Path:
        return self._folder / f"{commit}.git"

    # ------------------------------------------------------------ over the network
    def update(self, git: Git) -> str:
        """Fetch the wanted commit unless it is here, and return its id."""
        commit = self._options.commit
        if commit is None or not self.has(commit):
            private_folder(self._folder)
            commit = commit or self._ask(git)
            if not self.has(commit):
                commit = self._fetch(git, commit)
        write_atomically(self._folder / "state.json", json.dumps({"commit": commit}).encode())
        self._tidy(keep=commit)
        return commit

    def _ref(self) -> str:
        if self._options.branch is not None:
            return f"refs/heads/{self._options.branch}"
        return f"refs/tags/{self._options.tag}" if self._options.tag is not None else "HEAD"

    def _ask(self, git: Git) -> str:
        """Return the commit that the branch or tag points at now."""
        wanted = self._ref()
        said = git.run("ls-remote", "--", self._url, wanted, f"{wanted}^{{}}", folder=self._folder, seconds=self._options.timeout_seconds)
        found: dict[str, str] = {}
        for line in said.decode("utf-8", "replace").splitlines():
            commit, _, name = line.partition("\t")
            if _ID.fullmatch(commit):
                found[name] = commit
        commit = found.get(f"{wanted}^{{}}") or found.get(wanted)
        if commit is None:
            raise GitFailed(f"the repository has no {wanted}", hint="Check config.branch or config.tag; an empty repository has neither.")
        return commit

    def _fetch(self, git: Git, commit: str) -> str:
        options = self._options
        place = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            algorithm = ["--object-format=sha256"] if len(commit) == 64 else []
            git.run("init", "--quiet", "--bare", "--template=", *algorithm, str(place), folder=place)
            source = commit if options.commit is not None else self._ref()
            git.run(
                *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
                *("--", self._url, f"+{source}:{_HEAD}"),
                folder=place,
                seconds=options.timeout_seconds,
                grows=place,
                max_bytes=options.max_bytes,
            )
            fetched = git.run("rev-parse", "--verify", "--quiet", f"{_HEAD}^{{commit}}", folder=place).decode().strip()
            if not _ID.fullmatch(fetched) or (options.commit is not None and fetched != commit):
                raise GitFailed(f"asked for the commit {commit[:12]}, the repository gave {fetched[:12] or 'nothing'}")
            # Renaming onto a repository that another server has put there meanwhile fails, and theirs is as good.
            with suppress(OSError):
                place.rename(self._place(fetched))
            if not self.has(fetched):
                raise GitFailed(f"the cache folder {self._folder} cannot be written")
            return fetched
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _tidy(self, keep: str) -> None:
        for commit in [each for each in self.commits() if each != keep][KEPT_COMMITS - 1 :]:
            shutil.rmtree(self._place(commit), ignore_errors=True)
        with suppress(OSError):
            for path in self._folder.glob(".new-*"):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)

    # ------------------------------------------------------------ from here
    def tree(self, git: Git, commit: str, folder: str | None) -> list[Blob]:
        """Return the files below a folder, by their paths from there. Submodules are left out."""
        top = f"{commit}:{folder}" if folder else f"{commit}^{{tree}}"
        said = git.run("ls-tree", "-r", "-z", "--long", "--full-tree", top, folder=self._place(commit), max_output=_TREE_BYTES)
        blobs: list[Blob] = []
        for record in said.split(b"\0"):
            facts, _, path = record.partition(b"\t")
            words = facts.split()
            if len(words) == 4 and words[1] == b"blob" and words[3].isdigit():
                blobs.append(Blob(path.decode("utf-8", "surrogateescape"), words[2].decode(), int(words[3]), words[0] == b"120000"))
            if len(blobs) > self._options.max_files:
                raise GitFailed(f"the repository has more than {self._options.max_files} files", hint="Name a folder in config.folder.")
        return blobs

    def read(self, git: Git, commit: str, blobs: list[Blob]) -> dict[str, bytes]:
        """Return the contents of files, by the ids of the contents. One that is missing raises `GitFailed`."""
        wanted = list(dict.fromkeys(blob.id for blob in blobs))
        total = sum(blob.size for blob in blobs)
        if not wanted:
            return {}
        said = git.run(
            *("cat-file", "--batch"),
            folder=self._place(commit),
            feed="".join(f"{each}\n" for each in wanted).encode(),
            max_output=total + 200 * len(wanted) + 1024,
        )
        contents: dict[str, bytes] = {}
        at = 0
        for each in wanted:
            end = said.find(b"\n", at)
            words = said[at:end].split() if end >= 0 else []
            if len(words) != 3 or words[0].decode() != each or words[1] != b"blob":
                raise GitFailed(f"the object {each[:12]} is missing from the cache", hint="Refresh the source.")
            size = int(words[2])
            contents[each] = said[end + 1 : end + 1 + size]
            at = end + size + 2
        return contents

    def check(self, git: Git, commit: str) -> None:
        """Check every object of a commit against its id."""
        seconds = self._options.timeout_seconds
        git.run("fsck", "--no-dangling", "--no-progress", "--no-reflogs", folder=self._place(commit), seconds=seconds)
