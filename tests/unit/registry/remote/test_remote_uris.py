"""URIs of remote sources are understood strictly, and shown without credentials."""

from __future__ import annotations

import pytest

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.registry.remote.uris import is_remote, mask, parse


@pytest.mark.parametrize(
    ("uri", "kind", "transport"),
    [
        ("https://example.com/tasks/index.json", "http", "https"),
        ("http://127.0.0.1:8080/index.json", "http", "http"),
        ("git+https://example.com/team/tasks.git", "git", "https"),
        ("https://example.com/team/tasks.git", "git", "https"),
        ("git+ssh://git@example.com/team/tasks.git", "git", "ssh"),
        ("ssh://git@example.com:2222/team/tasks.git", "git", "ssh"),
        ("git+file:///srv/tasks", "git", "file"),
    ],
)
def test_indexes_and_repositories_are_told_apart(uri: str, kind: str, transport: str) -> None:
    parsed = parse(uri)
    assert (parsed.kind, parsed.transport) == (kind, transport)
    assert is_remote(uri)


@pytest.mark.parametrize("uri", ["tasks", "/srv/tasks", "C:\\tasks", "file:///srv/tasks", "./a.zip"])
def test_paths_are_not_remote(uri: str) -> None:
    assert not is_remote(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "git+ext::sh -c touch% /tmp/x",
        "git+ext://sh",
        "ext::sh -c true",
        "git+http://example.com/tasks.git",
        "http://example.com/tasks.git",
        "git://example.com/tasks.git",
        "git+git://example.com/tasks.git",
        "git+file://server/share",
        "file+git:///srv",
        "git+file:///srv/a%0ab",
        "git+file:///srv/a%00b",
        "git+https://-oProxyCommand=x/tasks.git",
        "git+ssh://-oProxyCommand=x/tasks.git",
        "git+ssh://-lroot@example.com/tasks.git",
        "git+https://example.com/tasks.git#main",
        "git+https://example.com/tasks.git?x=1",
        "git+https://exa mple.com/tasks.git",
        "git+https://example.com/tasks\n.git",
        "git+https:///tasks.git",
        "https:///index.json",
        "https://example.com/\u202eindex.json",
        "ftp://example.com/index.json",
        "/srv/tasks.git",
        "git@example.com:team/tasks.git",
        "https://example.com/" + "a" * 3000,
    ],
)
def test_what_git_or_the_web_could_misunderstand_is_refused(uri: str) -> None:
    with pytest.raises(SettingsInvalid):
        parse(uri)


SECRET = "hunter2"


@pytest.mark.parametrize(
    "uri",
    [
        f"https://user:{SECRET}@example.com/index.json",
        f"https://{SECRET}@example.com/index.json",
        f"https://user:{SECRET}/@example.com/index.json",
        f"https://user:{SECRET}@x@example.com/index.json",
        f"https://example.com/index.json?token={SECRET}",
        f"https://example.com/index.json?a=1&access_token={SECRET}",
        f"https://example.com/index.json?X-Amz-Signature={SECRET}",
        f"git+https://user:{SECRET}@example.com/tasks.git",
        f"git+https://{SECRET}@example.com/tasks.git",
        f"git+ssh://git:{SECRET}@example.com/tasks.git",
        f"ssh://git:{SECRET}@example.com/tasks.git",
    ],
)
def test_a_uri_with_credentials_is_refused_with_advice_and_never_repeated(uri: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        parse(uri)
    error = caught.value
    assert SECRET not in f"{error.to_dict()}{error!r}"
    assert "config.token_env" in str(error.hint)
    assert SECRET not in mask(uri)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://example.com/pkg@1.0/index.json", "https://example.com/pkg@1.0/index.json"),
        ("https://example.com:8443/pkg@1.0/index.json", "https://example.com:8443/pkg@1.0/index.json"),
        ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
        ("https://u:p@example.com/x?y=z#f", "https://example.com/x"),
        ("git+ssh://git@example.com/t.git", "git+ssh://git@example.com/t.git"),
        ("git+ssh://git:pw@example.com/t.git", "git+ssh://example.com/t.git"),
        ("user:pw@example.com:t.git", "example.com:t.git"),
        ("/srv/tasks", "/srv/tasks"),
    ],
)
def test_uris_are_shown_without_what_could_be_secret(uri: str, shown: str) -> None:
    assert mask(uri) == shown
