"""Web search over HTTP: Tavily's protocol, bounded in time and size."""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx2

from aistudio.settings import Settings

logger = logging.getLogger(__name__)

TAVILY_URL = "https://api.tavily.com"
SECONDS = 15.0
MAX_RESULTS = 5
# Tavily refuses longer ones.
QUERY_LENGTH = 400
TITLE_LENGTH = 200
URL_LENGTH = 1_000
TEXT_LENGTH = 2_000
BODY_BYTES = 1024 * 1024

REASONS = {
    401: "the key in TAVILY_API_KEY is not accepted",
    429: "too many searches at once",
    432: "the plan behind TAVILY_API_KEY is used up",
    433: "the plan behind TAVILY_API_KEY is used up",
}


class SearchError(Exception):
    """A search that brought nothing; its text is the cause, without anything the service said."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One result, as a stranger wrote it; `title` and `url` are single lines."""

    title: str
    url: str
    text: str


class WebSearch:
    """Searches the web.

    Args:
        key: what Tavily gave out.
        base_url: where to ask; tests have an endpoint of their own.
        seconds: how long one search may take.
    """

    def __init__(self, key: str, *, base_url: str = TAVILY_URL, seconds: float = SECONDS) -> None:
        self._key = key
        self._base_url = base_url
        self._seconds = seconds

    async def search(self, query: str) -> Sequence[Page]:
        """The best results, at most `MAX_RESULTS`. Cancelling the task closes the connection.

        Raises:
            SearchError: no results could be had.
        """
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._post({"query": query[:QUERY_LENGTH], "max_results": MAX_RESULTS})
            return list(_pages(json.loads(body)))[:MAX_RESULTS]
        except SearchError as error:
            reason = str(error)
        except TimeoutError:
            reason = f"it took longer than {self._seconds:g} s"
        except UnicodeEncodeError:
            reason = "the key in TAVILY_API_KEY holds characters no key has"
        except httpx2.HTTPError as error:
            reason = f"the connection broke ({type(error).__name__})"
        except (ValueError, RecursionError):
            reason = "the service's answer could not be read"
        logger.warning("A web search failed: %s", reason)
        raise SearchError(reason)

    async def _post(self, question: dict[str, object]) -> bytes:
        headers = {"Authorization": f"Bearer {self._key}"}
        async with (
            httpx2.AsyncClient(base_url=self._base_url, timeout=self._seconds) as http,
            http.stream("POST", "/search", json=question, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise SearchError(
                    REASONS.get(response.status_code, f"the service answered {response.status_code}")
                )
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > BODY_BYTES:
                    raise SearchError("the service's answer is too large")
            return bytes(body)


def web_search(settings: Settings) -> WebSearch | None:
    """The search that the settings name a key for, if they do."""
    key = settings.tavily_api_key.get_secret_value().strip() if settings.tavily_api_key else ""
    return WebSearch(key) if key else None


def _pages(answer: object) -> Iterator[Page]:
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise ValueError("no results")
    for result in results:
        match result:
            case {"url": str(url), "title": str(title), "content": str(text)}:
                yield Page(
                    title=" ".join(title.split())[:TITLE_LENGTH],
                    url="".join(url.split())[:URL_LENGTH],
                    text=text[:TEXT_LENGTH],
                )
