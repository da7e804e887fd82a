"""Which addresses a request may go to: public ones, and hosts that were opened on purpose."""

import ipaddress
from collections.abc import Iterable

import httpx2

# What Python's own table calls global and a server must not be sent to.
_CLOSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a carrier's NAT; also Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's agent, at a public address
        "169.254.0.0/16",  # link-local; also most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; also Oracle's metadata
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# All that is ever given to a host on the internet. Outside of it lie loopback, link-local, unique local (so
# fd00:ec2::254), multicast, and IPv4 in disguise: mapped, compatible and behind NAT64.
_GIVEN_OUT_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; also Teredo, which holds an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4, which holds an IPv4 address
        "3fff::/20",
    )
)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large; what is no address does not."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not any(ip in network for network in _CLOSED_V4)
    return ip.is_global and ip in _GIVEN_OUT_V6 and not any(ip in network for network in _CLOSED_V6)


class OpenHosts:
    """Hosts that may be called whatever their address.

    Args:
        entries: each a host or host:port, an IPv6 address in brackets; without a port all ports are meant.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        # Without a scheme no port is taken for the usual one and left out.
        urls = [httpx2.URL(f"//{entry}") for entry in entries]
        self._places = {(canonical(url.raw_host.decode("ascii")), url.port) for url in urls}

    def include(self, host: str, port: int) -> bool:
        """Whether a host, as it stands in a URL, was opened on this port."""
        name = canonical(host)
        return (name, None) in self._places or (name, port) in self._places


def canonical(host: str) -> str:
    """The host in one spelling: lower case, without the root's dot."""
    return host.lower().rstrip(".")
