"""Telling whether a TCP port is free, before anything is started, and whether it answers afterwards."""

import errno
import ipaddress
import socket

from aistudio.embedded.processes import EmbeddedError

EVERYWHERE = ("0.0.0.0", "::")


def require_free(port: int, remedy: str) -> None:
    """Raise EmbeddedError, a sentence that ends with `remedy`, when something listens on `port`."""
    if not 0 < port < 65536:
        raise EmbeddedError(f"There is no port {port}. {remedy}")
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # Connections of a run that just ended may still be in TIME_WAIT: that is not taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise EmbeddedError(f"Port {port} is taken by another program. {remedy}") from error
            if error.errno == errno.EACCES:
                raise EmbeddedError(f"Port {port} may not be opened by this user. {remedy}") from error
            # Any other error means that the machine has no such address family.


def answers(host: str, port: int) -> bool:
    """Whether a server that listens on `host` (0.0.0.0 and :: are every address) accepts connections."""
    for address in ("127.0.0.1", "::1") if host in EVERYWHERE else (host,):
        try:
            with socket.create_connection((address, port), timeout=2):
                return True
        except OSError:
            continue
    return False


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
