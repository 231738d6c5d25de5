"""Which IP addresses belong to the public internet. What is connected to is the address that was checked, so DNS cannot rebind it.

The tables follow the registries of special-purpose addresses (RFC 6890, IANA), and not `ipaddress.is_global`, whose answers differ between
versions of Python. They are stricter: an IPv6 address that only wraps an IPv4 address is refused, but for NAT64 of a public one (RFC 6052),
without which nothing could be reached from networks that have IPv6 only.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a provider (CGNAT)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud metadata",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "reserved",
    "192.52.193.0/24": "reserved",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "reserved",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_V6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "::/96": "IPv4-compatible",
    "64:ff9b:1::/48": "local NAT64",
    "100::/64": "discard",
    "2001::/32": "Teredo",
    "2001::/23": "reserved",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_METADATA = {
    IPv4Address("169.254.169.254"),
    IPv4Address("169.254.170.2"),
    IPv4Address("169.254.170.23"),
    IPv4Address("168.63.129.16"),
    IPv4Address("100.100.100.200"),
    IPv4Address("192.0.0.192"),
    IPv6Address("fd00:ec2::254"),
    IPv6Address("fd00:ec2::23"),
    IPv6Address("fd20:ce::254"),
}
"""Where clouds serve the credentials of a machine."""
_V4_RANGES = [(IPv4Network(network), kind) for network, kind in _V4.items()]
_V6_RANGES = [(IPv6Network(network), kind) for network, kind in _V6.items()]
_V6_PUBLIC = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
_PRIVATE_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain", "ip6-localhost", "ip6-loopback")


class AddressRefused(Exception):
    """The host has no address that may be connected to. `kind` is what its addresses are (loopback, private, …)."""

    def __init__(self, message: str, kind: str = "private") -> None:
        super().__init__(message)
        self.kind = kind


def why_not_public(address: str) -> str | None:
    """Return what makes an address (text of an IP address) no part of the public internet, or None when it is part of it.

    Text that is no plain IP address, also one with a scope (`%eth0`), is refused as well.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "no IP address"
    if parsed in _METADATA:
        return "cloud metadata"
    if isinstance(parsed, IPv4Address):
        return next((kind for network, kind in _V4_RANGES if parsed in network), None)
    return _why_not_public_v6(parsed)


def _why_not_public_v6(parsed: IPv6Address) -> str | None:
    if parsed.scope_id is not None:
        return "an address with a scope"
    if parsed in _NAT64:
        inner = why_not_public(str(IPv4Address(int(parsed) & 0xFFFF_FFFF)))
        return f"NAT64 of {inner}" if inner else None
    found = next((kind for network, kind in _V6_RANGES if parsed in network), None)
    if found is None and parsed not in _V6_PUBLIC:
        return "reserved"
    if found is None and (int(parsed) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return "ISATAP"
    return found


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet."""
    return why_not_public(address) is None


def is_metadata(address: str) -> bool:
    """Tell whether a cloud serves credentials at this address, or it is of no use to HTTP at all (multicast, broadcast, unspecified).

    Such addresses are refused also where private ones are allowed, unless they are named literally.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return True
    if isinstance(parsed, IPv6Address):
        inner = _embedded(parsed)
        if inner is not None and is_metadata(str(inner)):
            return True
    return parsed in _METADATA or parsed.is_multicast or str(parsed) == "255.255.255.255"


def _embedded(parsed: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, if any."""
    if parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    if parsed.sixtofour is not None:
        return parsed.sixtofour
    if parsed in _NAT64 or parsed in IPv6Network("64:ff9b:1::/48") or parsed in IPv6Network("::/96"):
        return IPv4Address(int(parsed) & 0xFFFF_FFFF)
    return None


def is_private_name(host: str) -> bool:
    """Tell whether a name can only mean this machine or its own network, whatever DNS says (RFC 6761, RFC 8375, common use)."""
    name = host.rstrip(".").lower()
    return ("." not in name and ":" not in name) or any(name == each or name.endswith(f".{each}") for each in _PRIVATE_NAMES)


def is_address(host: str) -> bool:
    """Tell whether the host of a URL is an IP address; `[::1]` too."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host as the system gives them, each once. Blocking; raises `OSError` or `UnicodeError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
