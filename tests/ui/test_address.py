"""Whom a request is from: nobody chooses that himself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Scope

from aistudio.ui.address import ClientAddress, client_address

PEER = "10.0.0.9"


@pytest.mark.parametrize(
    ("peer", "forwarded", "hops", "client"),
    [
        # No proxy is trusted: the header is nothing.
        (PEER, [], 0, PEER),
        (PEER, ["6.6.6.6"], 0, PEER),
        (PEER, ["6.6.6.6, 7.7.7.7", "8.8.8.8"], 0, PEER),
        # From the right, over all lines in their order.
        (PEER, ["1.1.1.1"], 1, "1.1.1.1"),
        (PEER, ["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1"),
        (PEER, ["6.6.6.6", "1.1.1.1"], 1, "1.1.1.1"),
        (PEER, ["6.6.6.6, 1.1.1.1, 2.2.2.2"], 2, "1.1.1.1"),
        (PEER, ["6.6.6.6,1.1.1.1", " 2.2.2.2 "], 2, "1.1.1.1"),
        (PEER, ["6.6.6.6, 1.1.1.1", "2.2.2.2, 3.3.3.3"], 3, "1.1.1.1"),
        # Too short, or garbage: whom a trusted proxy vouches for.
        (PEER, [], 1, PEER),
        (PEER, [""], 1, PEER),
        (PEER, ["2.2.2.2"], 2, "2.2.2.2"),
        (PEER, ["2.2.2.2"], 9, "2.2.2.2"),
        (PEER, ["unknown"], 1, PEER),
        (PEER, ["1.1.1.1, unknown"], 1, PEER),
        (PEER, ["1.1.1.1, unknown, 2.2.2.2"], 3, "2.2.2.2"),
        (PEER, ["1.1.1.1,"], 1, PEER),
        (PEER, ["1.1.1.1, 999.1.1.1"], 1, PEER),
        (PEER, ["1.1.1.1, 01.1.1.1"], 1, PEER),
        # Ports and brackets.
        (PEER, ["1.1.1.1:4711"], 1, "1.1.1.1"),
        (PEER, ["[2001:db8::1]:443"], 1, "2001:db8::/64"),
        (PEER, ["[2001:db8::1]"], 1, "2001:db8::/64"),
        (PEER, ["[1.1.1.1"], 1, PEER),
        (PEER, ["[]:80"], 1, PEER),
        (PEER, ["1.1.1.1:"], 1, PEER),
        # IPv6 by /64, however it is spelled; IPv4 inside of it is IPv4.
        (PEER, ["2001:db8:0:1:ffff:ffff:ffff:ffff"], 1, "2001:db8:0:1::/64"),
        (PEER, ["2001:DB8:0000:0001::5"], 1, "2001:db8:0:1::/64"),
        (PEER, ["2001:db8:0:2::5"], 1, "2001:db8:0:2::/64"),
        (PEER, ["fe80::1%eth0"], 1, "fe80::/64"),
        (PEER, ["::ffff:1.1.1.1"], 1, "1.1.1.1"),
        ("::ffff:10.0.0.9", [], 0, PEER),
        ("2001:db8::7", ["6.6.6.6"], 0, "2001:db8::/64"),
        # Behind a Unix socket nobody is connected whom one could name.
        (None, [], 0, "unknown"),
        ("", [], 1, "unknown"),
        (None, ["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1"),
    ],
)
def test_the_client(peer: str | None, forwarded: list[str], hops: int, client: str) -> None:
    assert client_address(peer, forwarded, hops) == client


addresses = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
written_by_clients = st.lists(st.one_of(addresses, st.text(), st.lists(addresses).map(", ".join)))


@given(st.lists(addresses, min_size=1, max_size=4), written_by_clients, st.booleans())
def test_what_a_client_writes_itself_changes_nothing(
    trusted: list[str], own: list[str], one_line: bool
) -> None:
    """Its proxies may add to the client's last line, or add lines of their own."""
    hops, added = len(trusted), ", ".join(trusted)
    lines = [*own[:-1], f"{own[-1]}, {added}"] if own and one_line else [*own, added]
    assert client_address(PEER, lines, hops) == client_address(PEER, [added], hops)


@given(written_by_clients)
def test_without_a_trusted_proxy_nothing_written_counts(own: list[str]) -> None:
    assert client_address(PEER, own, 0) == PEER


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_requests_and_websockets_get_the_same_address_and_no_second_opinion(kind: str) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    others = [
        (b"forwarded", b"for=6.6.6.6"),
        (b"x-real-ip", b"6.6.6.6"),
        (b"cf-connecting-ip", b"6.6.6.6"),
        (b"true-client-ip", b"6.6.6.6"),
    ]
    chain = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"1.1.1.1")]
    for hops, client in ((1, "1.1.1.1"), (0, PEER)):
        scope = {"type": kind, "client": (PEER, 4711), "headers": [*chain, *others]}
        await ClientAddress(app, hops=hops)(scope, receive, send)
        assert seen[-1]["client"] == (client, 4711)
        assert seen[-1]["headers"] == others
    lifespan = {"type": "lifespan"}
    await ClientAddress(app, hops=1)(lifespan, receive, send)
    assert seen[-1] is lifespan
