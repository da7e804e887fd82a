"""Telling whether a TCP port is free, before anything is started."""

import errno
import socket

from aistudio.embedded.processes import EmbeddedError


def require_free(port: int, remedy: str) -> None:
    """Raise EmbeddedError, a sentence that ends with `remedy`, when something listens on `port`."""
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


def answers(port: int) -> bool:
    """Whether something on this machine accepts connections on `port`."""
    for host in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((host, port), timeout=2):
                return True
        except OSError:
            continue
    return False
