"""The nodes' HTTP client against real servers on this machine; no test here reaches the internet."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpcore2
import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from aistudio.engine.http import network
from aistudio.engine.http.calls import Call
from aistudio.engine.http.client import MAX_BODY, HttpClient
from aistudio.graph.errors import NodeError
from aistudio.nodes.context import HttpRequest
from tests.support.web_server import WebServer, answer, hang

GET = HttpRequest(method="GET", url="")
PUBLIC = "93.184.216.34"


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with WebServer() as running:
        yield running


@pytest.fixture
def client(server: WebServer) -> HttpClient:
    """A client to which the test's server is open, as 127.0.0.1 and on its port only."""
    return HttpClient([f"127.0.0.1:{server.port}"])


async def failure(client: HttpClient, request: HttpRequest) -> tuple[str, bool, str]:
    """The code of the error, whether it is retried, and what it says."""
    with pytest.raises(NodeError) as caught:
        await client.send(request)
    return str(caught.value.code), caught.value.retryable, caught.value.message


async def test_what_is_sent_and_what_comes_back(server: WebServer, client: HttpClient) -> None:
    server["/a b"] = server["/a%20b"] = answer(201, b"made", Content_Type="text/plain", X_One="1", x_one="2")
    request = HttpRequest(
        method="POST",
        url=f"{server.url}/a b?x=%2F&flag",
        query={"q": "ä & b", "x": "2"},
        headers={"Authorization": "Bearer t", "X-Name": "Zoë", "user-agent": "me"},
        content="Grüße".encode(),
    )
    got = await client.send(request)
    assert (got.host, got.status, got.content, got.retry_after) == ("127.0.0.1", 201, b"made", None)
    assert got.headers == {"content-length": "4", "content-type": "text/plain", "x-one": "1, 2"}
    (seen,) = server.requests
    assert (seen.method, seen.target) == ("POST", "/a%20b?x=%2F&flag&q=%C3%A4+%26+b&x=2")
    assert seen.body.decode() == "Grüße"
    assert seen.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "*/*",
        "accept-encoding": "gzip",
        "user-agent": "me",
        "connection": "close",
        "authorization": "Bearer t",
        "x-name": "Zoë",
        "content-length": "7",
    }


@pytest.mark.parametrize("status", [204, 304, 404, 429, 500, 599])
async def test_an_answer_of_any_status_is_an_answer(
    server: WebServer, client: HttpClient, status: int
) -> None:
    server["/"] = answer(status, Retry_After="7")
    got = await client.send(replace(GET, url=server.url))
    assert (got.status, got.retry_after) == (status, 7)


async def test_nothing_is_kept_between_two_requests(
    server: WebServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server["/"] = answer(200, Set_Cookie="session=1; Path=/")
    await client.send(replace(GET, url=server.url))
    await client.send(replace(GET, url=server.url))
    assert len(server.requests) == 2
    assert "cookie" not in server.requests[1].headers


# --- where it may go --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "127。0。0。1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.1.2.3",
    ],
)
async def test_no_spelling_of_a_closed_address_is_called(server: WebServer, host: str) -> None:
    code, retried, message = await failure(HttpClient(), replace(GET, url=f"http://{host}:{server.port}/"))
    assert (code, retried) == ("blocked_address", False)
    assert "HTTP_NODE_ALLOW_HOSTS" in message
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "/etc/passwd",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "unix:///run/docker.sock",
        "http://",
        "http:///path",
        "http:127.0.0.1",
        "https://user:secret@example.com/",
        "http://example.com@127.0.0.1/",
        "http://example.com:80@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://127.0.0.1\\.example.com/",
        "http://exa mple.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:http/",
        "http://example.com:80:80/",
        "http://[::1/",
        "http://[::1%25eth0]/",
        "http://1.2.3.4.5%00/",
        "http://%31%32%37.0.0.1/",
        "http://0177.0.0.1/",
        "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "http://example.com/\r\nX: y",
        f"http://example.com/{'x' * 70_000}",
    ],
)
async def test_what_is_no_plain_address_of_the_web_is_refused_unasked(url: str) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise AssertionError(host)

    code, retried, message = await failure(HttpClient(resolve=resolve), replace(GET, url=url))
    assert (code, retried) == ("blocked_address", False)
    assert "secret" not in message


TEXT = st.text(st.characters(exclude_categories=()))
BEGINNINGS = ["", "http://", "https://", "http://xn--", "//", "http://h/", "http://[", "http://1."]


@given(st.sampled_from(BEGINNINGS), TEXT, st.sampled_from(["", "/", ":80/", "@x/", "]/"]), TEXT)
@example("http://xn--", "", "/", "")
@example("http://h/", "\ud800", "", "\ud800")
@example("http://h/", "", "", "x" * 100_000)
def test_any_text_is_refused_or_can_be_sent(beginning: str, middle: str, end: str, value: str) -> None:
    try:
        call = Call.first(HttpRequest(method="GET", url=beginning + middle + end, query={"q": value}))
    except NodeError:
        return
    assert call.url.scheme in ("http", "https")
    assert call.on_the_wire().url.host.isascii()
    assert 0 < call.port < 65536
    with suppress(NodeError):
        call.after(302, middle)


async def test_one_closed_address_among_public_ones_closes_the_host(server: WebServer) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return [PUBLIC, "127.0.0.1"]

    code, *_ = await failure(HttpClient(resolve=resolve), replace(GET, url="http://mixed.example/"))
    assert code == "blocked_address"


async def test_the_checked_address_is_the_one_that_is_called(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers with a public address first and with this machine's afterwards."""
    server["/"] = answer(200, b"pinned")
    asked: list[str] = []
    called: list[str] = []
    connect_tcp = httpcore2.AnyIOBackend.connect_tcp

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    async def connect(self: Any, host: str, port: int, **more: Any) -> Any:
        called.append(host)
        return await connect_tcp(self, "127.0.0.1", server.port, **more)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    client = HttpClient(resolve=resolve)
    got = await client.send(replace(GET, url="http://rebinding.example/"))
    assert got.content == b"pinned"
    assert server.requests[0].headers["host"] == "rebinding.example"
    assert (asked, called) == (["rebinding.example"], [PUBLIC])
    code, *_ = await failure(client, replace(GET, url="http://rebinding.example/"))
    assert (code, called) == ("blocked_address", [PUBLIC])


async def test_an_open_port_opens_no_other_and_no_other_name(server: WebServer) -> None:
    server["/"] = answer(200)
    url = f"http://localhost:{server.port}/"
    assert (await HttpClient(["localhost"]).send(replace(GET, url=url))).status == 200
    for entry in (f"localhost:{server.port + 1}", "127.0.0.1", f"127.0.0.1:{server.port}"):
        code, *_ = await failure(HttpClient([entry]), replace(GET, url=url))
        assert code == "blocked_address"


async def test_a_certificate_is_checked_by_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    mine = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("right.example").configure_cert(mine)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with WebServer(tls=mine) as server:
        server["/"] = answer(200, b"safe")
        opened = ["right.example", "wrong.example"]
        client = HttpClient(opened, resolve=resolve, tls=trusting)
        right = replace(GET, url=f"https://right.example:{server.port}/")
        assert (await client.send(right)).content == b"safe"
        assert (await client.send(replace(right, url=right.url.replace("example", "example.")))).status == 200
        code, _, message = await failure(client, replace(GET, url=f"https://wrong.example:{server.port}/"))
        assert code == "http_status"
        assert "certificate" in message
        code, *_ = await failure(HttpClient(opened, resolve=resolve), right)
        assert code == "http_status"


# --- redirects --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "//localhost/",
        "http://2130706433/",
        "file:///etc/passwd",
        "http://user@127.0.0.1/",
    ],
)
async def test_a_redirect_is_checked_like_an_address(
    server: WebServer, client: HttpClient, location: str
) -> None:
    server["/"] = answer(302, Location=location)
    code, retried, _ = await failure(client, replace(GET, url=server.url))
    assert (code, retried) == ("blocked_address", False)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
    ],
)
async def test_a_redirect_within_the_origin(
    server: WebServer, client: HttpClient, status: int, method: Any, then: str
) -> None:
    server["/from/here"] = answer(status, Location="../to?x=1")
    server["/to"] = answer(200)
    headers = {"Authorization": "Bearer t", "Content-Type": "text/plain", "X-Key": "k"}
    await client.send(
        HttpRequest(method=method, url=f"{server.url}/from/here", headers=headers, content=b"body")
    )
    seen = server.requests[1]
    assert (seen.method, seen.target) == (then, "/to?x=1")
    assert (seen.headers["authorization"], seen.headers["x-key"]) == ("Bearer t", "k")
    kept = then == method
    assert seen.body == (b"body" if kept else b"")
    assert ("content-type" in seen.headers) is kept


async def test_secrets_do_not_travel_to_another_origin(server: WebServer, client: HttpClient) -> None:
    async with WebServer() as other:
        client = HttpClient(["127.0.0.1"])
        server["/"] = answer(307, Location=f"{other.url}/")
        other["/"] = answer(200)
        secrets = {"Authorization": "Bearer t", "Cookie": "a=b", "X-Api-Key": "k"}
        headers = {**secrets, "Accept": "text/csv", "Content-Type": "text/plain"}
        await client.send(HttpRequest(method="POST", url=server.url, headers=headers, content=b"body"))
        (seen,) = other.requests
        assert not {name.lower() for name in secrets} & seen.headers.keys()
        assert (seen.headers["accept"], seen.headers["content-type"]) == ("text/csv", "text/plain")
        assert seen.headers["host"] == f"127.0.0.1:{other.port}"
        assert seen.body == b"body"


async def test_five_redirects_are_followed_and_no_more(server: WebServer, client: HttpClient) -> None:
    for number in range(6):
        server[f"/{number}"] = answer(302, Location=f"/{number + 1}")
    server["/6"] = answer(200, b"there")
    assert (await client.send(replace(GET, url=f"{server.url}/1"))).content == b"there"
    code, retried, message = await failure(client, replace(GET, url=f"{server.url}/0"))
    assert (code, retried) == ("http_status", False)
    assert "5 times" in message


async def test_a_redirect_that_leads_nowhere_is_an_answer(server: WebServer, client: HttpClient) -> None:
    server["/"] = answer(302, b"stay")
    got = await client.send(replace(GET, url=server.url))
    assert (got.status, got.content) == (302, b"stay")


# --- bodies -----------------------------------------------------------------------------------------


async def test_gzip_is_unpacked(server: WebServer, client: HttpClient) -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    server["/"] = answer(200, packed, Content_Encoding="gzip")
    assert (await client.send(replace(GET, url=server.url))).content == b"one two"
    server["/"] = answer(200, Content_Encoding="gzip")
    assert (await client.send(replace(GET, url=server.url, method="HEAD"))).content == b""


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not packed", "gzip"),
        (gzip.compress(b"x" * 1000)[:-9], "gzip"),
        (gzip.compress(b"x") + b"rubbish", "gzip"),
        (zlib.compress(b"x"), "deflate"),
        (b"x", "br"),
        (gzip.compress(gzip.compress(b"x")), "gzip, gzip"),
    ],
    # What is packed holds the time of day.
    ids=["not packed", "cut off", "and more", "deflate", "br", "twice"],
)
async def test_what_cannot_be_unpacked_is_said(
    server: WebServer, client: HttpClient, body: bytes, encoding: str
) -> None:
    server["/"] = answer(200, body, Content_Encoding=encoding)
    code, _, message = await failure(client, replace(GET, url=server.url))
    assert code == "http_status"
    assert "unpacked" in message
    server["/"] = answer(503, body, Content_Encoding=encoding)
    assert (await client.send(replace(GET, url=server.url))).status == 503


async def test_eight_mebibytes_are_taken_and_no_byte_more(server: WebServer, client: HttpClient) -> None:
    server["/"] = answer(200, b"x" * MAX_BODY)
    assert len((await client.send(replace(GET, url=server.url))).content) == MAX_BODY
    server["/"] = answer(200, b"x" * (MAX_BODY + 1))
    code, retried, message = await failure(client, replace(GET, url=server.url))
    assert (code, retried) == ("output_too_large", False)
    assert "8 MiB" in message
    code, *_ = await failure(client, replace(GET, url=server.url, content=b"x" * (MAX_BODY + 1)))
    assert code == "output_too_large"


async def test_a_bomb_is_not_unpacked(server: WebServer, client: HttpClient) -> None:
    """A gigabyte in a megabyte, without an end: only what is needed to see it is read and unpacked."""
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(1024 * 1024)) for _ in range(1024)) + bomb.flush()
    sent = 0

    async def explode(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
        while True:
            for start in range(0, len(packed), 65536):
                writer.write(packed[start : start + 65536])
                await writer.drain()
                sent += 65536

    server["/"] = explode
    code, *_ = await failure(client, replace(GET, url=server.url))
    assert code == "output_too_large"
    await asyncio.wait_for(server.left.wait(), 5)
    assert sent < 8 * 1024 * 1024


async def test_packed_nothing_without_an_end_is_given_up(server: WebServer, client: HttpClient) -> None:
    async def nothing(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10])
        while True:
            writer.write(b"\x00\x00\x00\xff\xff" * 50_000)
            await writer.drain()

    server["/"] = nothing
    code, *_ = await failure(client, replace(GET, url=server.url))
    assert code == "output_too_large"


async def test_of_an_error_only_the_beginning_is_read(server: WebServer, client: HttpClient) -> None:
    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\n\r\n")
        while True:
            writer.write(b"no " * 10_000)
            await writer.drain()

    server["/"] = talk
    got = await client.send(replace(GET, url=server.url))
    assert got.status == 500
    assert len(got.content) == 64 * 1024


# --- what goes wrong on the way -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bytes_sent", "said"),
    [
        (b"", "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "broke off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", "no HTTP"),
    ],
)
async def test_a_broken_answer_is_worth_another_try(
    server: WebServer, client: HttpClient, bytes_sent: bytes, said: str
) -> None:
    server["/"] = bytes_sent
    code, retried, message = await failure(client, replace(GET, url=server.url))
    assert (code, retried) == ("http_status", True)
    assert said in message


async def test_a_connection_that_is_refused_has_sent_nothing(server: WebServer, client: HttpClient) -> None:
    await server.__aexit__()
    left: list[bool] = []
    with pytest.raises(NodeError, match="Connection refused") as caught:
        await client.send(replace(GET, url=server.url), lambda: left.append(True))
    assert (caught.value.code, caught.value.retryable, left) == ("http_status", True, [])


async def test_a_name_that_nobody_knows() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("nobody knows it")

    code, retried, message = await failure(
        HttpClient(resolve=resolve), replace(GET, url="http://nobody.example/")
    )
    assert (code, retried) == ("http_status", True)
    assert "nobody.example" in message
    assert "nobody knows it" in message
    code, *_ = await failure(HttpClient(), replace(GET, url=f"http://{'a' * 64}..example/"))
    assert code == "http_status"


async def test_a_name_that_nobody_answers_for_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(network, "CONNECT_SECONDS", 0.05)
    code, retried, _ = await failure(HttpClient(resolve=resolve), replace(GET, url="http://slow.example/"))
    assert (code, retried) == ("timeout", True)


async def test_the_first_address_that_answers_is_taken(server: WebServer) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    server["/"] = answer(200)
    client = HttpClient(["two.example"], resolve=resolve)
    assert (await client.send(replace(GET, url=f"http://two.example:{server.port}/"))).status == 200


async def test_who_stops_waiting_hangs_up(server: WebServer, client: HttpClient) -> None:
    server["/"] = hang
    left: list[bool] = []
    sending = asyncio.create_task(client.send(replace(GET, url=server.url), lambda: left.append(True)))
    await asyncio.wait_for(server.asked.wait(), 5)
    sending.cancel()
    await asyncio.wait_for(server.left.wait(), 5)
    assert left == [True]
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_too_many_headers_are_not_sent(server: WebServer, client: HttpClient) -> None:
    headers = {f"X-{number}": "x" * 1000 for number in range(70)}
    code, retried, _ = await failure(client, replace(GET, url=server.url, headers=headers))
    assert (code, retried) == ("http_status", False)
    assert server.requests == []
