"""Which addresses and URLs lead to the public internet."""

from __future__ import annotations

import pytest

from ratchet_mcp.egress.addresses import is_metadata, is_private_name, is_public, why_not_public
from ratchet_mcp.egress.policy import Policy
from ratchet_mcp.egress.urls import read_url
from ratchet_mcp.errors import InvalidFetch
from ratchet_mcp.settings.hosts import read_patterns

REFUSED = {
    "0.0.0.0": "this network",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "shared by a provider (CGNAT)",
    "100.127.255.254": "shared by a provider (CGNAT)",
    "100.100.100.200": "cloud metadata",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "cloud metadata",
    "169.254.0.1": "link-local",
    "169.254.169.254": "cloud metadata",
    "169.254.170.2": "cloud metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "reserved",
    "192.0.0.192": "cloud metadata",
    "192.0.2.1": "documentation",
    "192.31.196.1": "reserved",
    "192.52.193.1": "reserved",
    "192.88.99.1": "6to4 relay",
    "192.168.0.1": "private",
    "192.175.48.1": "reserved",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.7": "documentation",
    "203.0.113.7": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::2": "IPv4-compatible",
    "::127.0.0.1": "IPv4-compatible",
    "::8.8.8.8": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:127.0.0.1": "IPv4-translated",
    "64:ff9b::7f00:1": "NAT64 of loopback",
    "64:ff9b::a00:1": "NAT64 of private",
    "64:ff9b::a9fe:a9fe": "NAT64 of cloud metadata",
    "64:ff9b:1::8.8.8.8": "local NAT64",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2001:2::1": "reserved",
    "2001:10::1": "reserved",
    "2001:20::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:808:808::1": "6to4",
    "3fff::1": "documentation",
    "4000::1": "reserved",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "cloud metadata",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "an address with a scope",
    "2a00:1450::1%eth0": "an address with a scope",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "2a00:1450:4001::5efe:10.0.0.1": "ISATAP",
    "localhost": "no IP address",
    "": "no IP address",
    "127.1": "no IP address",
    "0x7f000001": "no IP address",
}
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.9.9.9", "11.0.0.1", "93.184.216.34", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1",
    "169.253.1.1", "169.255.1.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.169.0.1", "198.17.255.255", "198.20.0.1",
    "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888", "2620:fe::fe", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused_and_named(address: str) -> None:
    assert why_not_public(address) == REFUSED[address]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


REFUSED_URLS = [
    "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/",
    "http://017700000001/", "http://0x7F.0x0.0x0.0x1/", "http://127.0.0.1./", "http://%31%32%37.0.0.1/", "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "http://127\u30020\u30020\u30021/", "http://0/", "http://0.0.0.0/", "http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://a.localhost/",
    "http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/", "http://0xA9FEA9FE/", "http://metadata.google.internal/", "http://192.168.1.1/", "http://10.0.0.1:8080/", "http://intranet/",
    "http://printer.local/", "http://nas.lan/", "http://router.home.arpa/", "https://100.64.0.1/", "http:127.0.0.1/", "http:\\\\127.0.0.1\\", "http:///127.0.0.1/",
    "ht\ntp://127.0.0.1/", "http://127.0.0.1\t/", "http://[::ffff:0:127.0.0.1]/", "http://example.com:22/", "http://example.com:25/", "http://example.com:6379/",
    "http://example.com:11211/",
]  # fmt: skip
INVALID_URLS = [
    "http://user@example.com/", "http://user:password@example.com/", "http://example.com@127.0.0.1/", "http://127.0.0.1@example.com/", "http://:@@/",
    "http://a:b@c:80@example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "data:text/plain,x", "javascript:alert(1)",
    "blob:https://example.com/x", "ws://example.com/", "//example.com/", "/path", "", "example.com", "http://", "http://[::1", "http://[fe80::1%25eth0]/",
    "http://a b/", "http://exa\u202emple.com:99999/", "http://.example.com/", "http://a..b/", "http://example.com:0/", "http://example.com:65536/",
    "http://example.com:-1/", "http://1.2.3.4.5/", "http://256.256.256.256/", "http://%00/", "http://" + "a" * 20_000,
]  # fmt: skip
ALLOWED_URLS = [
    "http://example.com/", "https://example.com:8443/x?y=z#f", "HTTPS://EXAMPLE.COM/", "https://bücher.example/", "https://xn--bcher-kva.example/",
    "http://8.8.8.8/", "http://134744072/", "http://[2606:4700:4700::1111]/", "https://example.com./", "https://a_b.example.com/", "http://example.com:8080/",
    "https://127.0.0.1.example.com/", "https://localhost.example.com/",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_leads_inside_is_refused(url: str) -> None:
    decision = Policy().decide(read_url(url))
    assert not decision.allowed and decision.message
    assert decision.reason in ("private-address", "private-name", "port")


@pytest.mark.parametrize("url", INVALID_URLS)
def test_what_no_task_can_fetch_is_no_url(url: str) -> None:
    with pytest.raises(InvalidFetch) as error:
        read_url(url)
    assert "password" not in error.value.message.replace("password in it", "") and len(error.value.message) < 300


@pytest.mark.parametrize("url", ALLOWED_URLS)
def test_a_public_url_is_allowed(url: str) -> None:
    assert Policy().decide(read_url(url)).allowed


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "224.0.0.1", "ff02::1", "x", "2002:a9fe:a9fe::"],
)
def test_metadata_is_known_in_every_wrapping(address: str) -> None:
    assert is_metadata(address)


def test_other_private_addresses_are_no_metadata() -> None:
    assert not any(is_metadata(each) for each in ("127.0.0.1", "10.0.0.1", "fd12::1", "::1", "8.8.8.8"))


def test_a_name_of_the_own_network_is_private() -> None:
    assert all(is_private_name(each) for each in ("localhost", "x.LOCALHOST", "db", "a.internal", "a.local.", "x.home.arpa"))
    assert not any(is_private_name(each) for each in ("example.com", "internal.example.com", "localhost.com", "[::1]"))


# ---------------------------------------------------------------- the other rules
def policy(**patterns: list[str] | None) -> Policy:
    read = {key: None if value is None else read_patterns(value) for key, value in patterns.items()}
    return Policy(**read)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        ("api.example.com", "https://api.example.com/", True),
        ("api.example.com", "http://api.example.com/", True),
        ("api.example.com", "https://API.example.com./", True),
        ("api.example.com", "https://api.example.com:8443/", False),
        ("api.example.com", "https://api.example.com.evil.org/", False),
        ("api.example.com", "https://evilapi.example.com/", False),
        ("*.example.org", "https://a.example.org/", True),
        ("*.example.org", "https://a.b.example.org/", True),
        ("*.example.org", "https://example.org/", False),
        ("*.example.org", "https://evilexample.org/", False),
        ("*.example.org:8443", "https://a.example.org:8443/", True),
        ("*.example.org:8443", "https://a.example.org/", False),
        ("example.org:*", "http://example.org:3000/", True),
        ("https://example.org", "https://example.org/", True),
        ("https://example.org", "http://example.org/", False),
        ("bücher.example", "https://xn--bcher-kva.example/", True),
        ("*", "https://anything.example/", True),
        ("8.8.8.8", "http://134744072/", True),
    ],
)
def test_a_pattern_means_hosts(pattern: str, url: str, matches: bool) -> None:
    assert policy(task_allow=[pattern]).decide(read_url(url)).allowed is matches
    assert policy(deny=[pattern]).decide(read_url(url)).allowed is not matches


def test_everything_must_agree() -> None:
    rules = policy(allow=["*.example.com"], deny=["bad.example.com"], task_allow=["bad.example.com", "good.example.com", "other.org"])
    assert rules.decide(read_url("https://good.example.com/")).allowed
    assert rules.decide(read_url("https://bad.example.com/")).reason == "denied"
    assert rules.decide(read_url("https://other.org/")).reason == "not-allowed"
    assert rules.decide(read_url("https://x.example.com/")).reason == "not-allowed-by-task"


def test_modes() -> None:
    url = read_url("https://api.example.com/")
    assert Policy(mode="off").decide(url).reason == "mode-off"
    assert Policy(mode="allow-listed").decide(url).reason == "no-allow-list"
    assert Policy(mode="allow-listed", task_allow=read_patterns(["api.example.com"])).decide(url).allowed
    assert Policy(mode="allow-listed", allow=read_patterns(["api.example.com"])).decide(url).allowed
    assert Policy(mode="public").decide(url).reach == "public"
    assert Policy(mode="open").decide(read_url("http://127.0.0.1/")).reach == "private"


def test_a_task_cannot_grant_itself_a_private_address() -> None:
    assert not policy(task_allow=["127.0.0.1:*"]).decide(read_url("http://127.0.0.1:8080/")).allowed


def test_only_a_literal_address_in_the_settings_opens_metadata() -> None:
    url = read_url("http://169.254.169.254/")
    assert policy(allow_private=["169.254.169.254"]).decide(url).reach == "any"
    assert policy(allow_private=["*"]).decide(url).reach == "private"
    assert policy(allow_private=["meta.example"]).decide(read_url("http://meta.example/")).reach == "private"


def test_a_refusal_says_what_to_do() -> None:
    decision = policy(task_allow=["a.example"]).decide(read_url("https://b.example:8443/"))
    assert "a.example" in decision.message and decision.hint and "b.example:8443" in decision.hint
