"""To which addresses a source connects."""

from __future__ import annotations

import httpcore
import pytest

from ratchet_mcp.egress import addresses as egress
from ratchet_mcp.registry.remote.addresses import AddressRefused, Guard, is_public

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::ffff:8.8.8.8",
        "168.63.129.16",
        "fec0::1",
    ],
)
def test_addresses_that_are_not_of_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


async def dial(guard: Guard, host: str, port: int) -> None:
    await guard.dialer(None, 5.0).connect_tcp(host, port)


class Net:
    """A network of names, which notes where was connected to."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): addresses for name, addresses in names.items()}
        self.connected: list[str] = []

    def resolve(self, host: str, port: int) -> list[str]:
        return self.names.get(host, [host])

    async def connect(self, address: str, port: int) -> httpcore.AsyncNetworkStream:
        self.connected.append(address)
        return httpcore.AsyncMockStream([])

    def guard(self, host: str, port: int = 443, private: bool | None = None) -> Guard:
        return Guard(host, port, private=private, resolve=self.resolve, connect=self.connect)


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to() -> None:
    net = Net(example_com=[PUBLIC])
    await dial(net.guard("example.com"), "example.com", 443)
    assert net.connected == [PUBLIC]


async def test_a_name_that_turns_from_public_to_private_is_refused() -> None:
    net = Net(example_com=[PUBLIC])
    guard = net.guard("example.com")
    await dial(guard, "example.com", 443)
    net.names["example.com"] = ["127.0.0.1"]
    with pytest.raises(AddressRefused, match=r"config\.private"):
        await dial(guard, "example.com", 443)
    assert net.connected == [PUBLIC]


async def test_one_private_address_keeps_a_source_away_from_the_host() -> None:
    net = Net(example_com=[PUBLIC], mixed_example=[PUBLIC, "127.0.0.1"])
    guard = net.guard("example.com")
    await dial(guard, "example.com", 443)
    net.names["example.com"] = [PUBLIC, "10.0.0.1"]
    for host in ("example.com", "mixed.example"):
        with pytest.raises(AddressRefused, match="private"):
            await dial(guard, host, 443)
    assert net.connected == [PUBLIC]


def test_sources_and_tasks_share_one_guard() -> None:
    assert is_public is egress.is_public
    assert AddressRefused is egress.AddressRefused


async def test_a_private_name_never_leads_to_cloud_metadata() -> None:
    net = Net(index_example=["10.0.0.7"])
    guard = net.guard("index.example", private=True)
    await dial(guard, "index.example", 443)
    net.names["index.example"] = ["169.254.169.254"]
    with pytest.raises(AddressRefused, match="metadata"):
        await dial(guard, "index.example", 443)
    assert net.connected == ["10.0.0.7"]


@pytest.mark.parametrize("target", ["127.0.0.1", "169.254.169.254", "inside.example.com", "0x7f.1", "::1"])
async def test_a_public_source_never_leads_to_a_private_address(target: str) -> None:
    net = Net(example_com=[PUBLIC], inside_example_com=["10.0.0.7"])
    net.names["0x7f.1"] = ["127.0.0.1"]
    guard = net.guard("example.com")
    await dial(guard, "example.com", 443)
    with pytest.raises(AddressRefused, match="private"):
        await dial(guard, target, 443)


async def test_a_private_source_stays_on_its_own_host_and_port() -> None:
    net = Net(elsewhere_example=[PUBLIC], localhost=["127.0.0.1"])
    guard = net.guard("127.0.0.1", 8080)
    await dial(guard, "127.0.0.1", 8080)
    for host, port in (("127.0.0.1", 9200), ("127.0.0.2", 8080), ("localhost", 8080), ("10.0.0.1", 8080), ("elsewhere.example", 443)):
        with pytest.raises(AddressRefused, match="own host"):
            await dial(guard, host, port)
    assert net.connected == ["127.0.0.1"]


async def test_a_source_that_may_not_be_private_is_refused_at_once() -> None:
    with pytest.raises(AddressRefused):
        await dial(Net().guard("127.0.0.1", 80, private=False), "127.0.0.1", 80)


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    net = Net(example_com=["2606:2800:220:1::1", PUBLIC])

    async def connect(address: str, port: int) -> httpcore.AsyncNetworkStream:
        if ":" in address:
            raise httpcore.ConnectError("unreachable")
        return await net.connect(address, port)

    await dial(Guard("example.com", 443, private=None, resolve=net.resolve, connect=connect), "example.com", 443)
    assert net.connected == [PUBLIC]
