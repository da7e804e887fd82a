"""Which addresses and hosts a node may call."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistudio.engine.http.addresses import OpenHosts, is_public

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2130706433",
    "0x7f.0.0.1",
    "127.1",
    "localhost",
    "",
]
PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "192.1.0.1",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00:1450:4001::1",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)


@pytest.mark.parametrize("address", CLOSED)
def test_closed(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@given(v4 | v6)
def test_nothing_that_python_knows_to_be_special_is_public(address: Address) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or not address.is_global
    )
    assert not (special and is_public(str(address)))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_no_ipv4_address_in_disguise_is_public(inner: int, rest: int) -> None:
    for disguised in (
        0xFFFF << 32 | inner,  # ::ffff:0:0/96, mapped
        inner,  # ::/96, compatible
        0xFFFF << 48 | inner,  # ::ffff:0:0:0/96, translated
        0x64FF9B << 96 | inner,  # 64:ff9b::/96, NAT64
        0x64FF9B0001 << 80 | inner,  # 64:ff9b:1::/48, NAT64 of one's own
        0x2002 << 112 | inner << 80 | rest,  # 6to4
        0x20010000 << 96 | inner << 64 | rest,  # Teredo
    ):
        assert not is_public(str(ipaddress.IPv6Address(disguised)))


def test_open_hosts_are_open_by_name_and_by_port() -> None:
    hosts = OpenHosts(["Intranet", "127.0.0.1:8080", "[::1]:8443", "web:80"])
    assert hosts.include("intranet", 1)
    assert hosts.include("INTRANET.", 443)
    assert hosts.include("127.0.0.1", 8080)
    assert hosts.include("::1", 8443)
    assert hosts.include("web", 80)
    for host, port in [
        ("127.0.0.1", 80),
        ("127.0.0.2", 8080),
        ("localhost", 8080),
        ("2130706433", 8080),
        ("::1", 80),
        ("web", 443),
        ("intranet.example", 80),
        ("sub.intranet", 80),
    ]:
        assert not hosts.include(host, port)
    assert not OpenHosts().include("localhost", 80)
