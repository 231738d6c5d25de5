"""Reads the file that an import names: only from where the settings allow it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ratchet_mcp.authoring.arrivals import MAX_DATA
from ratchet_mcp.errors import InvalidArgument, SourceFailed
from ratchet_mcp.registry.sources import path_of_uri
from ratchet_mcp.settings import NetworkSettings, RegistrySettings

_WEB = re.compile(r"https?://", re.IGNORECASE)
_SETTING = "registry.import_from"


def fetch(uri: str, settings: RegistrySettings, network: NetworkSettings | None = None) -> tuple[bytes, bool]:
    """Return the bytes, and whether they came over a network. Raises `InvalidArgument` or `SourceFailed`."""
    if _WEB.match(uri):
        return _from_web(uri, settings.import_from, network), True
    if "://" in uri and not uri.lower().startswith("file://"):
        raise InvalidArgument(
            f"{_scheme(uri)} is no address that can be imported from.", hint="Give an https:// address, or the data itself."
        )
    return _from_disk(uri, settings.import_from), False


def _scheme(uri: str) -> str:
    return ascii(uri.split("://", 1)[0][:20])[1:-1] + "://"


def _from_disk(uri: str, allowed: list[str]) -> bytes:
    folders = [path_of_uri(each).resolve() for each in allowed if not _WEB.match(each)]
    refusal = InvalidArgument(
        "Importing this file is not allowed.",
        hint=f"Name its folder in the setting {_SETTING}, or give the content itself: data as base64.",
    )
    try:
        path = path_of_uri(uri).resolve()
    except (OSError, RuntimeError, ValueError):
        raise refusal from None
    if not any(path.is_relative_to(folder) for folder in folders):
        raise refusal
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            hint = "Give a ZIP or a JSON bundle; folders are sources (registry.sources)."
            raise InvalidArgument(f"There is no file {path.name}.", hint=hint)
        with path.open("rb") as stream:
            data = stream.read(MAX_DATA + 1)
    except OSError as error:
        raise InvalidArgument(f"{path.name} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_DATA:
        raise InvalidArgument(f"{path.name} is larger than {MAX_DATA >> 20} MiB.", hint="Import fewer tasks at a time.")
    return data


def _from_web(uri: str, allowed: list[str], network: NetworkSettings | None) -> bytes:
    """Fetch over HTTP. Hosts in a private network are only asked when the settings name them."""
    from ratchet_mcp.registry.remote.addresses import Guard
    from ratchet_mcp.registry.remote.credentials import Credentials
    from ratchet_mcp.registry.remote.fetching import Fetcher, FetchFailed
    from ratchet_mcp.registry.remote.options import HttpOptions
    from ratchet_mcp.registry.remote.uris import mask

    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme.lower() == "https" else 80)
    except ValueError:
        raise InvalidArgument("uri is no address of the web.", hint="Give an https:// address.") from None
    shown = mask(uri)
    named = [each for each in allowed if _covers(each, uri)]
    if not named:
        raise InvalidArgument(
            f"Importing from {shown} is not allowed.",
            hint=f'Add its address to the setting {_SETTING} ("https://" allows every public host), or give the content itself as data.',
        )
    private = None if any(urlsplit(each).hostname for each in named) else False
    try:
        fetcher = Fetcher(uri, HttpOptions(timeout_seconds=20, attempts=2), Guard(host, port, private=private), Credentials, network)
        return fetcher.get(uri, max_bytes=MAX_DATA).body
    except FetchFailed as error:
        details = {"source": "import", "uri": shown}
        raise SourceFailed(f"Nothing was imported: {error.message}.", hint=error.hint, details=details) from None


def _covers(prefix: str, uri: str) -> bool:
    """Tell whether a prefix of the settings allows an address: the same scheme, host and port, and the path begins so."""
    if not _WEB.match(prefix) or ".." in unquote(unquote(uri)):
        return False
    one, other = urlsplit(prefix), urlsplit(uri)
    if one.scheme.lower() != other.scheme.lower():
        return False
    if not one.hostname:
        return True
    path = one.path if one.path.endswith("/") else one.path + "/"
    return (one.hostname, one.port) == (other.hostname, other.port) and (other.path == one.path or other.path.startswith(path))
