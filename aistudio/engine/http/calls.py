"""One request to one URL, and the request that a redirect asks for next."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

import httpcore2
import httpx2

from aistudio.engine.http.addresses import canonical
from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.nodes.context import HttpRequest

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# All that a redirect carries on to another origin: anything else may be a secret.
_HARMLESS = frozenset({"accept", "accept-language", "content-language", "content-type", "user-agent"})
# Said unless the request says otherwise; one connection serves one call, and nothing is asked for but gzip.
_OURS = {"Accept": "*/*", "User-Agent": "AI-Studio", "Accept-Encoding": "gzip", "Connection": "close"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request whose URL has been judged."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str]
    content: bytes | None

    @classmethod
    def first(cls, request: HttpRequest) -> Self:
        """The call a node asks for.

        Raises:
            NodeError: `blocked_address`, as `judged` says.
        """
        url = judged(httpx2.URL(), request.url)
        if request.query:
            own = f"{url.query.decode('ascii')}&" if url.query else ""
            url = judged(url, f"?{own}{urlencode(request.query, errors='replace')}")
        return cls(method=request.method, url=url, headers=request.headers, content=request.content)

    def after(self, status: int, location: str | None) -> Self | None:
        """The call that an answer redirects to, or null when it is no redirect.

        Raises:
            NodeError: `blocked_address`, as `judged` says.
        """
        if status not in _REDIRECTS or location is None:
            return None
        there = replace(self, url=judged(self.url, location))
        if there.origin != self.origin:
            there = there._with_headers(lambda name: name in _HARMLESS)
        # As browsers do it.
        if (status == 303 and self.method != "HEAD") or (status in (301, 302) and self.method == "POST"):
            there = replace(there, method="GET", content=None)
            there = there._with_headers(lambda name: not name.startswith("content-"))
        return there

    @property
    def host(self) -> str:
        """The host in ASCII, an IPv6 address without brackets."""
        return canonical(self.url.raw_host.decode("ascii"))

    @property
    def port(self) -> int:
        return _PORTS[self.url.scheme] if self.url.port is None else self.url.port

    @property
    def secure(self) -> bool:
        return self.url.scheme == "https"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.url.scheme, self.host, self.port

    def _with_headers(self, keep: Callable[[str], bool]) -> Self:
        kept = {name: value for name, value in self.headers.items() if keep(name.lower())}
        return replace(self, headers=kept)

    def on_the_wire(self) -> httpcore2.Request:
        """The request with all the headers it needs."""
        headers = httpx2.Headers(_OURS)
        for name, value in self.headers.items():
            headers.update({name.encode("ascii"): value.encode("latin-1")})
        made = httpx2.Request(self.method, self.url, headers=headers, content=self.content)
        url = httpcore2.URL(
            scheme=self.url.raw_scheme, host=self.url.raw_host, port=self.port, target=self.url.raw_path
        )
        return httpcore2.Request(self.method, url, headers=made.headers.raw, content=self.content)


def judged(base: httpx2.URL, text: str) -> httpx2.URL:
    """The URL a text names, seen from another one.

    Raises:
        NodeError: `blocked_address`, for anything but http and https with a plain host, a port from 1 to
            65535 and without a user name or password.
    """
    try:
        url = base.join(text)
    except (httpx2.InvalidURL, ValueError):
        raise _blocked("The address is too long, or it holds what no address may hold. Correct it.") from None
    if url.scheme not in _PORTS or not url.raw_host:
        raise _blocked("The address must begin with http:// or https:// and a host. Correct it.")
    if url.userinfo:
        raise _blocked(
            "The address holds a user name or password, or an @ before its host. "
            "Send credentials in the header Authorization."
        )
    if _HOST.fullmatch(url.raw_host.decode("ascii")) is None:
        raise _blocked("The address's host holds characters that no host has. Correct it.")
    if url.port is not None and not 0 < url.port < 65536:
        raise _blocked("The address's port must be from 1 to 65535. Correct it.")
    return url


def _blocked(message: str) -> NodeError:
    return NodeError(ErrorCode.BLOCKED_ADDRESS, message)
