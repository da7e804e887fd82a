"""The web search against a real endpoint that misbehaves on request."""

import asyncio
import logging

import pytest

from aistudio.llm.search import MAX_RESULTS, TEXT_LENGTH, Page, SearchError, WebSearch, web_search
from aistudio.settings import Settings
from tests.support.search_server import SearchServer

KEY = "tvly-nobody-may-see-this"
BRIE = {"title": "Brie\n and more", "url": "https://example.com/b rie", "content": "A\ncheese.", "score": 0.9}


def searching(server: SearchServer, **options: float) -> WebSearch:
    return WebSearch(KEY, base_url=server.base_url, **options)


async def test_pages_are_what_the_service_found() -> None:
    with SearchServer([BRIE]) as server:
        pages = await searching(server).search("soft cheese")
    assert pages == [Page(title="Brie and more", url="https://example.com/brie", text="A\ncheese.")]
    (search,) = server.searches
    assert search.body == {"query": "soft cheese", "max_results": MAX_RESULTS}
    assert search.headers["authorization"] == f"Bearer {KEY}"


async def test_what_comes_back_is_bounded() -> None:
    with SearchServer([BRIE | {"content": "x" * 100_000}] * 7 + [{"url": 3}]) as server:
        pages = await searching(server).search("q" * 1_000)
    assert len(pages) == MAX_RESULTS
    assert all(len(page.text) == TEXT_LENGTH for page in pages)
    assert len(server.searches[0].query) == 400


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (SearchServer(status=401, raw=KEY.encode()), "TAVILY_API_KEY is not accepted"),
        (SearchServer(status=429), "too many searches"),
        (SearchServer(status=432), "used up"),
        (SearchServer(status=500, raw=b"<html>"), "answered 500"),
        (SearchServer(status=302), "answered 302"),
        (SearchServer(raw=b"<html>"), "could not be read"),
        (SearchServer(raw=b"[" * 100_000), "could not be read"),
        (SearchServer(raw=b'{"results": 3}'), "could not be read"),
        (SearchServer(raw=b"x" * 2_000_000), "too large"),
        (SearchServer(hangs=True), "longer than 0.2 s"),
    ],
)  # fmt: skip
async def test_a_failure_is_a_short_sentence_without_the_services_words(
    server: SearchServer, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    with server, caplog.at_level(logging.WARNING), pytest.raises(SearchError, match=says) as caught:
        await searching(server, seconds=0.2 if server.hangs else 10.0).search("private question")
    assert len(str(caught.value)) < 100
    assert says in caplog.text
    assert "private question" not in caplog.text
    assert KEY not in caplog.text + str(caught.value)


@pytest.mark.parametrize("key", [KEY, "schlüssel"])
async def test_nobody_listening_or_a_key_that_no_header_can_carry(key: str) -> None:
    with pytest.raises(SearchError) as caught:
        await WebSearch(key, base_url="http://127.0.0.1:9").search("q")
    assert key not in str(caught.value)


async def test_cancelling_closes_the_connection() -> None:
    with SearchServer(hangs=True) as server:
        task = asyncio.create_task(searching(server).search("q"))
        assert await asyncio.to_thread(server.arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.left.wait, 1)


@pytest.mark.parametrize(("key", "there"), [(None, False), (" ", False), (KEY, True)])
def test_without_a_key_there_is_no_search(key: str | None, there: bool) -> None:
    assert (web_search(Settings(tavily_api_key=key)) is not None) is there  # type: ignore[arg-type]
