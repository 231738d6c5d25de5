"""Runs the system's `git` for one source: no hooks, no helpers, no settings of the user, one transport, and limits on everything."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from ratchet_mcp.registry.remote.cache import private_folder, write_atomically
from ratchet_mcp.registry.remote.credentials import GIT_USER, Credentials
from ratchet_mcp.registry.remote.options import GitOptions

READ_SECONDS = 60.0
"""Time for a command that reads what was fetched."""
_STDERR_BYTES, _MOST_STDERR = 4000, 4 << 20
_LOOK_SECONDS = 0.2
_INHERITED = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "SSL_CERT_FILE", "SSL_CERT_DIR")
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.symlinks": "false",
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.bigFileThreshold": "1m",
    "core.askPass": "",
    "credential.helper": "",
    "protocol.allow": "never",
    "http.followRedirects": "false",
    "http.sslVerify": "true",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "transfer.bundleURI": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "init.defaultBranch": "main",
}


class GitFailed(Exception):
    """Git ended with an error, or was ended at a limit. `again` tells whether another try may help."""

    def __init__(self, message: str, *, hint: str | None = None, again: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.again = message, hint, again


@dataclass(slots=True)
class Git:
    """Git for one source. `url` is what may be fetched, over `transport` only; `home` is the empty home that it sees.

    `pinned` are the addresses that were checked for the host of `url` (https): it connects to no others.
    """

    url: str
    transport: str
    options: GitOptions
    home: Path
    credentials: Credentials = field(default_factory=Credentials)
    pinned: tuple[str, ...] = ()

    def run(
        self,
        *arguments: str,
        folder: Path,
        seconds: float = READ_SECONDS,
        max_output: int = 1 << 20,
        feed: bytes = b"",
        grows: Path | None = None,
        max_bytes: int = 0,
    ) -> bytes:
        """Run one command in `folder` and return its output.

        It is ended when it takes longer than `seconds`, says more than `max_output` bytes, or lets the folder `grows` pass `max_bytes`.
        Raises `GitFailed`.
        """
        program = shutil.which("git")
        if program is None:
            raise GitFailed("git is not installed, or not on the PATH", hint="Install git, then refresh the source.")
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
            given.write(feed)
            given.seek(0)
            try:
                process = subprocess.Popen(
                    [program, *arguments],
                    cwd=folder,
                    env=self._environment(),
                    stdin=given,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except OSError as error:
                raise GitFailed(f"git could not be started: {error.strerror}") from None
            try:
                self._await(process, (out, max_output), (err, _MOST_STDERR), seconds, grows, max_bytes)
            finally:
                _end(process)
            if process.returncode != 0:
                raise self._failed(arguments[0], process.returncode, _tail(err))
            out.seek(0)
            return out.read()

    def _await(
        self,
        process: subprocess.Popen[bytes],
        out: tuple[IO[bytes], int],
        err: tuple[IO[bytes], int],
        seconds: float,
        grows: Path | None,
        max_bytes: int,
    ) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.001, min(_LOOK_SECONDS, deadline - time.monotonic())))
            for stream, most in (out, err):
                if os.fstat(stream.fileno()).st_size > most:
                    raise GitFailed(f"the repository makes git say more than {most} bytes")
            if grows is not None and size_of(grows) > max_bytes:
                raise GitFailed(f"the repository is larger than {max_bytes} bytes", hint="Raise config.max_bytes when that is right.")
            if process.returncode is not None:
                return
            if time.monotonic() >= deadline:
                raise GitFailed(f"git did not end within {seconds:g} seconds", again=True)

    def _environment(self) -> dict[str, str]:
        options = self.options
        settings = {**_SETTINGS, f"protocol.{self.transport}.allow": "always"}
        # Should this process be killed while git works, git ends by itself.
        settings |= {"http.lowSpeedLimit": "1", "http.lowSpeedTime": str(max(1, int(options.timeout_seconds)))}
        if self.transport == "https":
            header = self.credentials.basic(GIT_USER)
            if header is not None:
                parts = urlsplit(self.url)
                settings[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = f"{header[0]}: {header[1]}"
            if options.ca_file is not None:
                settings["http.sslCAInfo"] = str(options.ca_file)
            if self.pinned:
                parts = urlsplit(self.url)
                addresses = ",".join(f"[{each}]" if ":" in each else each for each in self.pinned)
                settings["http.curloptResolve"] = f"{parts.hostname}:{parts.port or 443}:{addresses}"
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment = {
            **inherited,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "LANG": "C",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": str(self._global_settings()),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "SSH_ASKPASS_REQUIRE": "never",
            "GIT_ALLOW_PROTOCOL": self.transport,
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_TEMPLATE_DIR": "",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_CEILING_DIRECTORIES": str(self.home.parent),
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for number, (key, value) in enumerate(settings.items()):
            environment[f"GIT_CONFIG_KEY_{number}"], environment[f"GIT_CONFIG_VALUE_{number}"] = key, value
        if self.transport == "ssh":
            environment |= {"GIT_SSH_COMMAND": self._ssh(), "GIT_SSH_VARIANT": "ssh"}
            environment |= {name: os.environ[name] for name in ("SSH_AUTH_SOCK",) if name in os.environ}
        return environment

    def _global_settings(self) -> Path:
        """Return a settings file that lets git read the local repository which the user has named, whoever owns its files."""
        if self.transport != "file":
            return Path(os.devnull)
        path = private_folder(self.home) / "gitconfig"
        named = unquote(urlsplit(self.url).path).replace("\\", "\\\\").replace('"', '\\"')
        text = "".join(f'[safe]\n\tdirectory = "{each}"\n' for each in (named, named.rstrip("/") + "/.git")).encode()
        if not path.is_file() or path.read_bytes() != text:
            write_atomically(path, text)
        return path

    def _ssh(self) -> str:
        options = self.options
        words = ["ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oForwardAgent=no", "-oForwardX11=no", "-oPermitLocalCommand=no"]
        words += ["-oClearAllForwardings=yes", "-oControlPath=none", "-oServerAliveInterval=15", "-oConnectTimeout=30"]
        if options.ssh_key_file is not None:
            words += [f"-oIdentityFile={options.ssh_key_file}", "-oIdentitiesOnly=yes"]
        if options.known_hosts_file is not None:
            words += [f"-oUserKnownHostsFile={options.known_hosts_file}"]
        return shlex.join(words)

    def _failed(self, command: str, status: int, said: str) -> GitFailed:
        told = self.credentials.redact(said).strip()
        lines = [line for line in told.splitlines() if line.strip() and not line.startswith(_CHATTER)]
        text = " ".join(line.removeprefix("fatal: ").removeprefix("error: ").strip() for line in lines[-3:])[:500]
        text = "".join(char if char.isprintable() else " " for char in text)
        hint = next((hint for mark, hint in _HINTS if mark in told), None)
        return GitFailed(f"git {command}: {text or f'ended with status {status}'}", hint=hint, again=any(mark in told for mark in _AGAIN))


_CHATTER = ("hint:", "warning:", "Please make sure", "and the repository exists", "fatal: Could not read from remote repository")
_HINTS = (
    ("could not read Username", "The repository wants credentials: name the variable that holds a token in config.token_env."),
    ("Authentication failed", "The server refuses the credentials of config.token_env or config.password_env."),
    ("unable to update url base from redirection", "The repository has moved; name its new address."),
    ("Permission denied (publickey", "Name a key in config.ssh_key_file, or load one into the agent."),
    ("Host key verification failed", "Add the host's key to known_hosts (ssh-keyscan), or name the file in config.known_hosts_file."),
    ("not our ref", "The server does not have this commit, or does not give single commits; name a branch or tag."),
    ("couldn't find remote ref", "Check config.branch or config.tag."),
    ("does not support shallow", "The server is too old to fetch from; it must speak git's own protocol."),
)
_AGAIN = (
    "Could not resolve host",
    "Connection timed out",
    "Connection refused",
    "Connection reset",
    "early EOF",
    "error: 50",
    "error: 429",
)


def size_of(folder: Path) -> int:
    """Return how many bytes the files in a folder have; what vanishes meanwhile does not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _STDERR_BYTES))
    return file.read().decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill git and what it started, unless it has ended."""
    if process.poll() is None:
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
