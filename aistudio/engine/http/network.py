"""Connections to checked addresses: a name is resolved once, and what was checked is what is connected to."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import httpcore2

from aistudio.engine.http.addresses import OpenHosts, canonical, is_public

CONNECT_SECONDS = 10.0
MOST_ADDRESSES = 4
RESOLVING_AT_ONCE = 16

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host, best first; raises `OSError` when it has none."""

# Threads of its own: names that nobody answers for must not hold up what else runs in threads.
_resolving = ThreadPoolExecutor(RESOLVING_AT_ONCE, thread_name_prefix="resolve")


class BlockedAddress(Exception):
    """The host has an address that requests may not go to."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Ask the operating system; an IPv4 address as odd as 2130706433 comes back as a plain one."""

    def ask() -> Sequence[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    try:
        return await asyncio.get_running_loop().run_in_executor(_resolving, ask)
    except UnicodeError:
        raise OSError("this is no name of a host") from None


class Network:
    """Opens connections to hosts that are open, and to hosts all of whose addresses are public.

    One closed address among several closes the host: who mixes them is out to have the wrong one taken.

    Args:
        tls: decides which certificates are accepted; they are checked against the host's name.
    """

    def __init__(self, open_hosts: OpenHosts, resolve: Resolve, tls: ssl.SSLContext) -> None:
        self._open_hosts = open_hosts
        self._resolve = resolve
        self._tls = tls
        self._backend = httpcore2.AnyIOBackend()

    async def connect(self, host: str, port: int, *, secure: bool) -> httpcore2.AsyncNetworkStream:
        """A connection, ready for a request.

        Raises:
            BlockedAddress: the host is closed; not a packet went to it.
            httpcore2.ConnectError: it has no address, lets nobody in, or shows no good certificate.
            httpcore2.ConnectTimeout: all that took longer than `CONNECT_SECONDS`.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                stream = await self._first(await self._addresses(host, port), port)
                return await self._secured(stream, host) if secure else stream
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(error.strerror or str(error)) from None
        if not self._open_hosts.include(host, port) and not all(map(is_public, addresses)):
            raise BlockedAddress
        return list(dict.fromkeys(addresses))[:MOST_ADDRESSES]

    async def _first(self, addresses: Sequence[str], port: int) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address that answers."""
        failure: Exception = httpcore2.ConnectError("the name has no address")
        for address in addresses:
            try:
                share = CONNECT_SECONDS / len(addresses)
                return await self._backend.connect_tcp(address, port, timeout=share)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _secured(self, stream: httpcore2.AsyncNetworkStream, host: str) -> httpcore2.AsyncNetworkStream:
        try:
            return await stream.start_tls(self._tls, server_hostname=canonical(host))
        except BaseException:
            await stream.aclose()
            raise
