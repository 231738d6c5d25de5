"""URIs of remote sources: understood strictly, never with credentials inside, and safe to show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.tasks.reading import hidden_characters

MAX_LENGTH = 2000
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
_SCP = re.compile(r"[^/\\\s]+@[^/\\\s:]+:.+")
_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
_GIT_PATH = r"(?P<path>/[A-Za-z0-9._~/%+,=@-]*)"
_GIT = {
    "https": re.compile(_HOST + _GIT_PATH),
    "ssh": re.compile(r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?" + _HOST + _GIT_PATH),
}
_SECRET_PARAMETER = re.compile(r"(?:^|&)[^=&]*(?:token|key|secret|passw|signature|credential|auth|sig)[^=&]*=", re.IGNORECASE)
_ADVICE = "Take it out of the URI, and name the environment variable that holds it in config.token_env (or a file in config.token_file)."


@dataclass(frozen=True, slots=True)
class RemoteUri:
    """Where a remote source is. `url` is what is fetched, `shown` what users see; `transport` is `http`, `https`, `ssh` or `file`."""

    kind: Literal["http", "git"]
    url: str
    shown: str
    transport: str


def is_remote(uri: str) -> bool:
    """Tell whether a URI means an HTTP index or a git repository, rather than a path."""
    scheme = _SCHEME.match(uri)
    if scheme is not None:
        return scheme[1].lower() != "file"
    return uri.startswith("ext::") or bool(_SCP.fullmatch(uri))


def parse(uri: str) -> RemoteUri:
    """Understand the URI of a remote source. Raises `SettingsInvalid` with advice; the error never repeats a password."""
    if len(uri) > MAX_LENGTH or hidden_characters(uri) or any(char.isspace() for char in uri) or not uri.isascii():
        raise _wrong(uri, f"a URI is at most {MAX_LENGTH} plain characters without spaces; write others as %xx")
    matched = _SCHEME.match(uri)
    if matched is None:
        raise _wrong(
            uri, "this is no URI", "Write git+ssh://git@HOST/PATH.git for a repository over SSH, git+file:///PATH for a local one."
        )
    scheme, rest = matched[1].lower(), matched[2]
    _refuse_credentials(uri, scheme, rest)
    plain = rest.partition("?")[0].partition("#")[0]
    if scheme.startswith("git+") or (scheme in ("https", "http", "ssh", "git") and plain.rstrip("/").endswith(".git")):
        return _git(uri, scheme.removeprefix("git+"), rest)
    if scheme in ("http", "https"):
        return _http(uri, scheme)
    raise _wrong(
        uri, f"there are no sources of the kind {scheme}://", "Use https:// for an index; git+https://, git+ssh:// or git+file:// for git."
    )


def mask(uri: str) -> str:
    """Return a URI as it may be shown: without user names, passwords and queries. Never raises."""
    matched = _SCHEME.match(uri)
    if matched is None:
        return re.sub(r"^[^/@\s]*:[^/\s]*@", "", uri)[:MAX_LENGTH]
    scheme, rest = matched[1], re.split(r"[?#]", matched[2], maxsplit=1)[0]
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if at:
        authority = f"{user}@{host}" if scheme.lower().endswith("ssh") and ":" not in user else host
    elif not re.fullmatch(r"[^:]*|[^:]*:[0-9]*|\[[^]]*\](?::[0-9]*)?", authority) and "@" in path:
        authority, slash, path = path.rpartition("@")[2], "", ""
    return f"{scheme}://{authority}{slash}{path}"[:MAX_LENGTH]


def _refuse_credentials(uri: str, scheme: str, rest: str) -> None:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if at and (":" in user or not scheme.endswith("ssh")):
        raise _wrong(uri, "it holds a user name or password, which would end up in logs and lists", _ADVICE)
    query = rest.partition("?")[2]
    if _SECRET_PARAMETER.search(query):
        raise _wrong(uri, "its query holds what looks like a credential", _ADVICE)


def _http(uri: str, scheme: str) -> RemoteUri:
    import httpx

    try:
        parsed = httpx.URL(uri)
    except httpx.InvalidURL:
        raise _wrong(uri, "its host or port cannot be understood", _ADVICE if "@" in uri else None) from None
    if not parsed.host or parsed.fragment:
        raise _wrong(uri, "the address of an index has a host and no #fragment")
    return RemoteUri("http", str(parsed), mask(uri), scheme)


def _git(uri: str, transport: str, rest: str) -> RemoteUri:
    if transport == "file":
        path = rest.removeprefix("localhost")
        if not path.startswith("/") or "?" in path or "#" in path or hidden_characters(unquote(path)) or "\n" in unquote(path):
            raise _wrong(uri, "a local repository is named by its whole path: git+file:///srv/tasks.git")
        return RemoteUri("git", f"file://{path}", mask(uri), transport)
    if transport not in _GIT:
        hint = "Use git+https://, git+ssh://, or git+file:// for a repository on this machine."
        raise _wrong(uri, f"git is not used over {transport}://", hint)
    if not _GIT[transport].fullmatch(rest):
        hint = "Name branch, tag, commit and folder in config: {branch: main, folder: tasks}."
        raise _wrong(uri, "the address of a repository is a host and a path, without query or #fragment", hint)
    return RemoteUri("git", f"{transport}://{rest}", mask(uri), transport)


def _wrong(uri: str, message: str, hint: str | None = None) -> SettingsInvalid:
    shown = mask(uri)[:200]
    text = f"The source {ascii(shown)[1:-1] if hidden_characters(shown) else shown} cannot be used: {message}."
    return SettingsInvalid(text, hint=hint, details={"problems": [{"key": "registry.sources.uri", "source": shown, "message": message}]})
