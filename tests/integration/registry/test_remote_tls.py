"""Sources over TLS: who is not trusted is not asked for tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import make_certificate
from git_repositories import Repository
from git_server import serve_git
from index_server import IndexServer, index_server, task_files
from remote_scans import LIMITS

from ratchet_mcp.errors import SourceFailed
from ratchet_mcp.registry.remote import open_remote
from ratchet_mcp.registry.remote.git_source import GitSource
from ratchet_mcp.registry.remote.options import GitOptions
from ratchet_mcp.registry.remote.uris import parse
from ratchet_mcp.registry.source import Found, Source
from ratchet_mcp.settings import NetworkSettings, RegistrySettings, SourceSettings

SECRET = "s3cret-t0ken"
pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[IndexServer]:
    with index_server(certificate) as running:
        yield running


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Source]:
    def source(uri: str, **config: Any) -> Source:
        return open_remote(SourceSettings(name="tls", uri=uri, config=config), RegistrySettings(cache_folder=tmp_path / "cache"), LIMITS)

    return source


def test_an_index_is_read_when_its_certificate_is_trusted(
    server: IndexServer, opened: Callable[..., Source], certificate: tuple[Path, Path]
) -> None:
    server.add()
    source = opened(server.index_url, ca_file=str(certificate[0]))
    assert source.refresh()
    (each,) = source.scan(LIMITS)
    assert isinstance(each, Found)
    assert each.place.load(LIMITS, "tls").name == "double"


def test_an_index_with_an_unknown_certificate_is_refused(server: IndexServer, opened: Callable[..., Source]) -> None:
    with pytest.raises(SourceFailed, match=r"certificate of .* is not trusted"):
        opened(server.index_url).refresh()
    assert not server.requests


def test_an_index_never_leads_from_https_to_http(
    server: IndexServer, opened: Callable[..., Source], certificate: tuple[Path, Path]
) -> None:
    with index_server() as plain:
        plain.add()
        server.redirect("/index.json", plain.index_url)
        with pytest.raises(SourceFailed, match="down to http"):
            opened(server.index_url, ca_file=str(certificate[0])).refresh()
        assert not plain.requests


def test_a_repository_over_https_with_a_token(
    server: IndexServer, opened: Callable[..., Source], certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "repository")
    repository.task("tasks/double", task_files())
    commit = repository.commit()
    serve_git(server, repository.path / ".git", "me", SECRET)
    monkeypatch.setenv("TASKS_TOKEN", SECRET)
    uri = f"git+{server.url}/git/tasks.git"
    trusted = {"ca_file": str(certificate[0])}
    for config in ({}, {"commit": commit}):
        source = opened(uri, token_env="TASKS_TOKEN", username="me", **trusted, **config)
        assert source.refresh()
        assert [each.place.load(LIMITS, "tls").name for each in source.scan(LIMITS) if isinstance(each, Found)] == ["double"]
    for config, told in (
        ({"token_env": "TASKS_TOKEN", "username": "me"}, "certificate"),
        (
            {"token_env": "TASKS_TOKEN", "username": "other", **trusted},
            "Authentication failed|could not read Username|terminal prompts disabled",
        ),
        (trusted, "could not read Username|terminal prompts disabled"),
    ):
        with pytest.raises(SourceFailed, match=told) as caught:
            opened(uri, branch="main", attempts=1, **config).refresh()
        assert SECRET not in json.dumps(caught.value.to_dict())
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_git_does_not_follow_redirects(server: IndexServer, opened: Callable[..., Source], certificate: tuple[Path, Path]) -> None:
    with index_server() as elsewhere:
        server.redirect("/tasks.git/info/refs?service=git-upload-pack", f"{elsewhere.url}/tasks.git/info/refs?service=git-upload-pack")
        with pytest.raises(SourceFailed):
            opened(f"git+{server.url}/tasks.git", ca_file=str(certificate[0]), attempts=1).refresh()
        assert not elsewhere.requests
    assert server.requests


def test_an_index_is_reached_as_tasks_reach_their_services(server: IndexServer, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    from http_server import proxy_server

    server.add()
    with proxy_server(server.port) as proxy:
        network = NetworkSettings(proxy=proxy.url, ca_file=certificate[0], user_agent="ours/1")
        registry = RegistrySettings(cache_folder=tmp_path / "cache")
        assert open_remote(SourceSettings(name="tls", uri=server.index_url), registry, LIMITS, network).refresh()
    assert proxy.asked[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")
    assert server.requests[0].headers["user-agent"] == "ours/1"


def test_git_connects_to_the_addresses_that_were_checked(server: IndexServer, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    def source(**options: Any) -> GitSource:
        given = GitOptions(ca_file=certificate[0], attempts=1, **options)
        return GitSource("tls", parse(f"git+https://tasks.example:{server.port}/tasks.git"), given, tmp_path, resolve=resolve)

    with pytest.raises(SourceFailed, match=r"config\.private"):
        source(private=False).refresh()
    # The name has no address but the one that was checked: what is wrong is the certificate, which is for 127.0.0.1.
    with pytest.raises(SourceFailed, match=r"certificate|SSL"):
        source().refresh()
    assert asked == ["tasks.example"] * 2


def test_a_repository_whose_host_became_private_is_not_fetched(tmp_path: Path) -> None:
    def source(address: str) -> GitSource:
        given = GitOptions(attempts=1, timeout_seconds=0.001)
        return GitSource("moved", parse("git+https://tasks.example/tasks.git"), given, tmp_path, resolve=lambda *_: [address])

    with pytest.raises(SourceFailed, match="did not end within"):
        source("93.184.216.34").refresh()
    with pytest.raises(SourceFailed, match="private addresses"):
        source("10.0.0.1").refresh()
