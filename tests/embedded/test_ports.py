"""Whether the web process answers, wherever it listens."""

import socket

import pytest

from aistudio.embedded import ports


@pytest.mark.parametrize(
    ("listens", "asked", "answer"),
    [
        ("127.0.0.2", "127.0.0.2", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("0.0.0.0", "0.0.0.0", True),
        ("127.0.0.1", "localhost", True),
    ],
)
def test_the_address_that_is_listened_on_is_asked(listens: str, asked: str, answer: bool) -> None:
    with socket.socket() as server:
        server.bind((listens, 0))
        server.listen()
        assert ports.answers(asked, server.getsockname()[1]) is answer


def test_loopback_addresses_are_known() -> None:
    hosts = ["localhost", "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::", "10.0.0.1", "studio.example"]
    assert [host for host in hosts if ports.is_loopback(host)] == hosts[:4]
