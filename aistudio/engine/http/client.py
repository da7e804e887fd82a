"""The HTTP client of nodes: anybody's requests, sent from where more can be reached than anybody may."""

import os
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager

import httpcore2
import httpx2

from aistudio.engine.http import bodies
from aistudio.engine.http.addresses import OpenHosts
from aistudio.engine.http.bodies import BodyTooLarge, BrokenBody
from aistudio.engine.http.calls import Call
from aistudio.engine.http.network import CONNECT_SECONDS, BlockedAddress, Network, Resolve, system_resolve
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.llm.errors import seconds_to_wait
from aistudio.nodes.context import HttpAnswer, HttpRequest

MAX_REDIRECTS = 5
MAX_BODY = 8 * 1024 * 1024
MAX_HEADERS = 64 * 1024
# Of an answer that is an error the beginning is enough.
ERROR_BODY = 64 * 1024


class HttpClient:
    """Sends requests to public hosts, and to those that were opened on purpose.

    Keeps nothing between two requests: no connection, no cookie, no address of a name. Takes no proxy and no
    credentials from the environment. Never retries: whoever calls owns retries and the time limit.

    Args:
        open_hosts: hosts or host:port that may be called whatever their address.
        resolve: finds the addresses of a host.
        tls: decides which certificates are accepted; null: those the system trusts.
    """

    def __init__(
        self,
        open_hosts: Iterable[str] = (),
        *,
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._network = Network(OpenHosts(open_hosts), resolve, tls or httpx2.create_ssl_context())

    async def send(self, request: HttpRequest, leaving: Callable[[], None] = lambda: None) -> HttpAnswer:
        """Send a request and follow its redirects.

        Args:
            leaving: called when a connection stands and the request is about to be sent over it.

        Raises:
            NodeError: `blocked_address`; `timeout` when no connection came about in time; `output_too_large`
                for a body over 8 MiB in either direction; `http_status` when there was no answer that can be
                used. An answer of any status is an answer.
        """
        if request.content is not None and len(request.content) > MAX_BODY:
            raise _too_large("The body of the request")
        if sum(len(name) + len(value) for name, value in request.headers.items()) > MAX_HEADERS:
            raise NodeError(ErrorCode.HTTP_STATUS, "The headers have more than 64 KiB. Send less in them.")
        call = Call.first(request)
        for _ in range(MAX_REDIRECTS + 1):
            with explaining(call.host):
                outcome = await self._exchange(call, leaving)
            if isinstance(outcome, HttpAnswer):
                return outcome
            call = outcome
        raise NodeError(
            ErrorCode.HTTP_STATUS,
            f"The server redirected more than {MAX_REDIRECTS} times. Check the address.",
        )

    async def _exchange(self, call: Call, leaving: Callable[[], None]) -> HttpAnswer | Call:
        """The answer, or the call that it redirects to."""
        request = call.on_the_wire()
        stream = await self._network.connect(call.host, call.port, secure=call.secure)
        connection = httpcore2.AsyncHTTP11Connection(origin=request.url.origin, stream=stream)
        try:
            leaving()
            response = await connection.handle_async_request(request)
            headers = httpx2.Headers(response.headers)
            following = call.after(response.status, headers.get("location"))
            if following is not None:
                return following
            return HttpAnswer(
                host=call.host,
                status=response.status,
                headers=dict(headers),
                content=await _content(response, headers.get("content-encoding", "")),
                retry_after=seconds_to_wait(headers.get("retry-after")),
            )
        finally:
            await connection.aclose()


@contextmanager
def explaining(host: str) -> Iterator[None]:
    """Turn whatever kept an answer away into a `NodeError`."""
    try:
        yield
    except BlockedAddress:
        raise NodeError(
            ErrorCode.BLOCKED_ADDRESS,
            f"{host} is not on the public internet, and this node may call nothing else. "
            "Whoever runs this studio can open a host with HTTP_NODE_ALLOW_HOSTS.",
        ) from None
    except httpcore2.ConnectTimeout:
        raise NodeError(
            ErrorCode.TIMEOUT,
            f"No connection to {host} came about within {CONNECT_SECONDS:g} s. "
            "Check the address, or try again later.",
            retryable=True,
        ) from None
    except httpcore2.ConnectError as error:
        raise _failed(f"There is no connection to {host} ({_reason(error)})") from None
    except httpcore2.LocalProtocolError as error:
        raise NodeError(
            ErrorCode.HTTP_STATUS, f"This request cannot be sent ({_reason(error)}). Correct it."
        ) from None
    except (httpcore2.NetworkError, httpcore2.RemoteProtocolError) as error:
        raise _failed(f"The answer of {host} broke off or is no HTTP ({_reason(error)})") from None
    except BrokenBody:
        raise _failed(f"The body that {host} answered with cannot be unpacked") from None
    except BodyTooLarge:
        raise _too_large(f"The body that {host} answered with") from None


async def _content(response: httpcore2.Response, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    failed = response.status >= 400
    async with aclosing(response.aiter_stream()) as chunks:
        try:
            if encoding not in ("", "identity", "gzip", "x-gzip"):
                raise BrokenBody
            most = ERROR_BODY if failed else MAX_BODY
            return await bodies.read(chunks, gzipped=encoding.endswith("gzip"), most=most)
        except BodyTooLarge as error:
            if failed:
                return error.beginning
            raise
        except BrokenBody:
            if failed:
                return b""
            raise


def _failed(what: str) -> NodeError:
    return NodeError(ErrorCode.HTTP_STATUS, f"{what}. Check the address, or try again later.", retryable=True)


def _too_large(what: str) -> NodeError:
    return NodeError(
        ErrorCode.OUTPUT_TOO_LARGE,
        f"{what} has more than {MAX_BODY // 1024 // 1024} MiB. Ask for less at once.",
    )


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words: what is around it only says that something failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = os.strerror(error.errno) if isinstance(error, ConnectionError) and error.errno else str(error)
    text = " ".join(said.split()) or "it was closed"
    return text if len(text) <= 200 else text[:199] + "…"
