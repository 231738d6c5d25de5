"""Sources of tasks on other machines: JSON indexes over HTTP, and git repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet_mcp.registry.remote.uris import is_remote, mask

if TYPE_CHECKING:
    from ratchet_mcp.registry.source import Source
    from ratchet_mcp.settings import Limits, NetworkSettings, RegistrySettings, SourceSettings

__all__ = ["is_remote", "mask", "open_remote"]


def open_remote(source: SourceSettings, registry: RegistrySettings, limits: Limits, network: NetworkSettings | None = None) -> Source:
    """Make the source that a remote URI means, without going to the network. Raises `SettingsInvalid` for a wrong URI or option.

    An HTTP index is reached as tasks reach their services: `network` names proxy and trust store. Git has its own ways.
    """
    from ratchet_mcp.registry.remote.cache import cache_folder
    from ratchet_mcp.registry.remote.options import GitOptions, HttpOptions, read_options
    from ratchet_mcp.registry.remote.uris import parse

    uri = parse(source.uri)
    folder = cache_folder(registry)
    if uri.kind == "http":
        from ratchet_mcp.registry.remote.http_index import HttpIndexSource

        return HttpIndexSource(source.name, uri, read_options(HttpOptions, source), folder, registry.cache_mb << 20, network=network)
    from ratchet_mcp.registry.remote.git_source import GitSource

    return GitSource(source.name, uri, read_options(GitOptions, source), folder)
