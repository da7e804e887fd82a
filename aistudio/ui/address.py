"""Where a request comes from: settled once, outermost, so that page and API see the same."""

import ipaddress
import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

UNKNOWN = "unknown"
"""Everybody of whom nothing is known, together."""

_FORWARDED = "x-forwarded-for"
# Some proxies add the port, and an IPv6 address then has brackets.
_WITH_PORT = re.compile(r"\[(?P<bracketed>[^\]]*)\](?::\d+)?|(?P<dotted>[^:]*):\d+")


def client_address(peer: str | None, forwarded: Sequence[str], hops: int) -> str:
    """The client behind so many trusted proxies: an IPv4 address, an IPv6 one's /64 network, or `unknown`.

    Every trusted proxy adds the address it was asked from at the right of X-Forwarded-For, so what a client
    wrote itself is further left than is looked. Where there are fewer entries, or one that is no address, the
    last one that a trusted proxy vouches for counts.

    Args:
        peer: who is connected to this process; null when the server does not say, as behind a Unix socket.
        forwarded: the lines of X-Forwarded-For, in their order.
        hops: how many proxies are trusted; with 0 it is the peer.
    """
    entries = ",".join(forwarded).split(",") if forwarded else []
    client = UNKNOWN if peer is None else _network(peer) or UNKNOWN
    for entry in entries[: -hops - 1 : -1] if hops else []:
        vouched = _network(entry)
        if vouched is None:
            break
        client = vouched
    return client


class ClientAddress:
    """ASGI middleware: makes the client's address what `client_address` says, for requests and websockets.

    X-Forwarded-For itself goes no further: nobody behind can read it in another way.
    """

    def __init__(self, app: ASGIApp, *, hops: int) -> None:
        self.app = app
        self.hops = hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the client's address."""
        if scope["type"] in ("http", "websocket"):
            peer, port = scope.get("client") or (None, 0)
            address = client_address(peer, Headers(scope=scope).getlist(_FORWARDED), self.hops)
            headers = [(name, value) for name, value in scope["headers"] if name != _FORWARDED.encode()]
            scope = {**scope, "client": (address, port), "headers": headers}
        await self.app(scope, receive, send)


def _network(text: str) -> str | None:
    text = text.strip()
    if found := _WITH_PORT.fullmatch(text):
        text = found["bracketed"] or found["dotted"] or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        # Whoever has one IPv6 address has all of its /64.
        return str(ipaddress.IPv6Network((int(address), 64), strict=False))
    return str(address)
