"""Settings of the network: what tasks may reach, and how much of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ratchet_mcp.settings.base import Section
from ratchet_mcp.settings.hosts import read_pattern

Mode = Literal["off", "allow-listed", "public", "open"]


def _readable(text: str) -> str:
    read_pattern(text)
    return text


def _telling(pattern: str) -> str:
    if len(pattern.replace("*", "")) < 3:
        raise ValueError("a pattern of values has at least 3 characters beside *")
    return pattern


def _proxy(url: str | None) -> str | None:
    if url is not None and not re.fullmatch(r"https?://[^/@?#\s]+/?", url):
        raise ValueError("a proxy is written http://host:port; its user and password come from proxy_credentials_env")
    return url


Host = Annotated[str, AfterValidator(_readable)]
"""A pattern of hosts (`settings.hosts`)."""


class SecretSettings(Section):
    """A value that tasks can send but never see."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", description="Tasks write context.secrets.NAME.")
    env: str | None = Field(default=None, description="The environment variable that holds the value.")
    file: Path | None = Field(default=None, description="The file that holds the value.")
    hosts: list[Host] = Field(min_length=1, description="Where the value may be sent; written like network.allow.")
    tasks: list[str] = Field(default_factory=lambda: ["*"], description="Names of the tasks that may use it; * stands for any characters.")

    @model_validator(mode="after")
    def _one_place(self) -> SecretSettings:
        if (self.env is None) == (self.file is None):
            raise ValueError(f"the secret {self.name} needs either env or file")
        return self


class NetworkSettings(Section):
    """What tasks may reach over HTTP, and how much of it."""

    mode: Mode = Field(
        default="public",
        description="Nothing; hosts on an allow-list only; the public internet; or also private networks and this machine (dangerous).",
    )
    allow: list[Host] = Field(
        default_factory=list[str],
        description="When not empty, the only hosts that tasks reach: api.example.com, *.example.org, host:8443, host:*, https://host.",
    )
    deny: list[Host] = Field(default_factory=list[str], description="Hosts that no task reaches; written like network.allow.")
    allow_private: list[Host] = Field(
        default_factory=list[str],
        description="Hosts that may have private addresses (also loopback); written like network.allow. A task cannot grant this.",
    )

    timeout_seconds: float = Field(default=20.0, gt=0, le=3600, description="How long one fetch may take, with redirects and retries.")
    max_timeout_seconds: float = Field(default=120.0, gt=0, le=3600, description="The most a task may ask for with `timeout`.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=300, description="How long DNS, connecting and TLS may take.")
    requests: int = Field(default=100, ge=0, description="Fetches of one run.")
    parallel: int = Field(default=16, ge=1, le=256, description="Fetches of one run at the same time; others wait.")
    redirects: int = Field(default=10, ge=0, le=50, description="Redirects that one fetch follows.")
    request_bytes: int = Field(default=4 << 20, ge=0, description="Size of one request's body.")
    response_bytes: int = Field(default=8 << 20, ge=1024, description="Size of one response's body, decompressed.")
    total_up_bytes: int = Field(default=16 << 20, ge=0, description="All request bodies of one run together.")
    total_down_bytes: int = Field(default=64 << 20, ge=1024, description="All response bodies of one run together, decompressed.")
    header_bytes: int = Field(default=64 << 10, ge=1024, le=1 << 20, description="Size of the headers of a request or a response.")
    decompression_ratio: int = Field(
        default=200, ge=10, le=2000, description="How much larger a response above 1 MiB may become when it is decompressed."
    )

    retries: int = Field(default=2, ge=0, le=10, description="Further tries of an idempotent request that failed in passing.")
    retry_wait_seconds: float = Field(default=0.2, gt=0, le=60, description="Pause before the second try; doubles, with jitter.")
    retry_max_wait_seconds: float = Field(default=10.0, gt=0, le=600, description="Longest pause, also of those that a server asks for.")

    connections: int = Field(
        default=100, ge=1, le=2000, description="Requests under way of all runs together; the last quarter is for runs that have none."
    )
    idle_connections: int = Field(default=20, ge=0, le=2000, description="Of these, how many are kept open for later.")
    keep_alive_seconds: float = Field(default=30.0, ge=0, le=3600, description="How long an idle connection is kept.")
    http2: bool = Field(default=True, description="Speak HTTP/2 with servers that have it.")
    user_agent: str | None = Field(default=None, description="User-Agent of requests that set none; by default ratchet/VERSION.")

    trust_store: Literal["bundled", "system"] = Field(
        default="bundled", description="Which certificate authorities are trusted: those that come with Ratchet, or the machine's."
    )
    ca_file: Path | None = Field(default=None, description="Further certificate authorities (PEM).")
    proxy: Annotated[str | None, AfterValidator(_proxy)] = Field(
        default=None, description="HTTP proxy for all fetches (http://host:port or https://…); variables of the environment are ignored."
    )
    proxy_credentials_env: str | None = Field(default=None, description="The environment variable that holds user:password for the proxy.")
    proxy_resolves: bool = Field(
        default=False, description="Let the proxy look names up; private addresses behind public names are then not noticed here."
    )

    cache_mb: int = Field(
        default=16, ge=0, le=4096, description="Memory for responses that may be cached (RFC 9111), in MiB; 0 is no cache."
    )
    secrets: list[SecretSettings] = Field(
        default_factory=list[SecretSettings], description="Values that tasks can send to some hosts, but never see; docs/network.md."
    )
    redact_headers: list[str] = Field(
        default_factory=lambda: [
            "authorization", "proxy-authorization", "cookie", "set-cookie",
            "x-api-key", "api-key", "apikey", "*-token", "*-secret", "*-signature",
        ],
        description="Headers whose values are not recorded, logged, or sent along to another host by a redirect.",
    )  # fmt: skip
    redact_query: list[str] = Field(
        default_factory=lambda: [
            "*api_key", "*apikey", "*api-key", "appid", "key", "*token", "*secret", "*password", "sig", "signature", "code", "x-amz-*",
        ],
        description="Parameters of URLs whose values are neither recorded nor logged.",
    )  # fmt: skip
    redact_fields: list[str] = Field(
        default_factory=lambda: [
            "*access_token", "*refresh_token", "*id_token", "*client_secret", "*password", "*passwd", "*api_key", "*apikey", "*private_key",
        ],
        description="Members of JSON and form bodies whose values are not recorded.",
    )  # fmt: skip
    redact_values: list[Annotated[str, AfterValidator(_telling)]] = Field(
        default_factory=lambda: [
            "ghp_*", "gho_*", "ghu_*", "ghs_*", "github_pat_*", "glpat-*", "xoxb-*", "xoxp-*", "sk-*", "AKIA*",
        ],
        description="Values that are not recorded wherever they stand, also in paths of URLs, which are not logged either; "
        "* is 16 or more letters, digits, _ and -.",
    )  # fmt: skip
    recording_mb: int = Field(default=64, ge=1, le=4096, description="Size of one recording, in MiB.")
    recordings_folder: Path | None = Field(
        default=None, description="Where execute_task(record=true) keeps its recordings; by default recordings beside the database."
    )
    recordings_kept: int = Field(default=100, ge=1, le=100_000, description="How many recordings stay there; the oldest go first.")
    recordings_from: list[Path] = Field(
        default_factory=list[Path], description="Folders from which replay_execution may read recordings by their path."
    )

    @model_validator(mode="after")
    def _default_is_within_the_largest(self) -> NetworkSettings:
        if self.timeout_seconds > self.max_timeout_seconds:
            raise ValueError(f"timeout_seconds ({self.timeout_seconds:g}) is above max_timeout_seconds ({self.max_timeout_seconds:g})")
        return self
