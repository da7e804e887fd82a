import asyncio
import json
from encodings.aliases import aliases
from typing import Any

import pytest
from fake_context import FakeContext
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from aistudio.graph.errors import ErrorCode, NodeError
from aistudio.nodes.context import HttpAnswer, HttpRequest, NodeResult
from aistudio.nodes.http_request import KIND, HttpRequestConfig

URL = "https://web.example/"


async def send(config: dict[str, Any], **context: Any) -> HttpRequest:
    """The request that a configuration makes."""
    fake = FakeContext(**context)
    await KIND.run(HttpRequestConfig.model_validate({"url": URL, **config}), fake)
    return fake.sent[0]


async def receive(content: bytes = b"", content_type: str | None = None, status: int = 200) -> NodeResult:
    """What the node makes of an answer."""
    headers = {} if content_type is None else {"content-type": content_type}
    answers = HttpAnswer(host="web.example", status=status, headers=headers, content=content)
    result: NodeResult = await KIND.run(HttpRequestConfig(url=URL), FakeContext(answers=answers))
    return result


async def test_references_are_resolved_everywhere() -> None:
    request = await send(
        {
            "method": "PUT",
            "url": " {{variables.base}} ",
            "query": {"q": "{{trigger.input}}"},
            "headers": {"X-Token": " {{variables.token}}"},
        }
    )
    assert request == HttpRequest(
        method="PUT",
        url="resolved( {{variables.base}} )",
        query={"q": "resolved({{trigger.input}})"},
        headers={"X-Token": "resolved( {{variables.token}})"},
    )


async def test_by_default_it_gets_without_a_body() -> None:
    assert await send({}) == HttpRequest(method="GET", url=f"resolved({URL})")


@pytest.mark.parametrize(
    ("body", "content", "content_type"),
    [
        ("Hello {{trigger.name}}", b"Hello \xc3\x84nne", "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
        ('{"a": 1,  "b": "{{trigger.name}}"}', '{"a": 1,  "b": "Änne"}'.encode(), "application/json"),
        ("{not JSON}", b"{not JSON}", "text/plain; charset=utf-8"),
        ("{{trigger}}", b"{{trigger}}", "text/plain; charset=utf-8"),
        ("{{trigger.list}}", b"[1,null]", "application/json"),
        ("{{trigger.number}}", b"5", "text/plain; charset=utf-8"),
        ("{{trigger.nothing}}", None, None),
        (
            {
                "n": "{{trigger.number}}",
                "deep": [{"l": "{{trigger.list}}", "t": "<{{trigger.name}}>"}],
                "k": True,
            },
            '{"n":5,"deep":[{"l":[1,null],"t":"<Änne>"}],"k":true}'.encode(),
            "application/json",
        ),
        ([], b"[]", "application/json"),
        ({"half": "\ud83d"}, b'{"half":"?"}', "application/json"),
    ],
)
async def test_bodies(body: JsonValue, content: bytes | None, content_type: str | None) -> None:
    scope = {"trigger": {"name": "Änne", "number": 5, "list": [1, None], "nothing": None}}
    request = await send({"method": "POST", "body": body}, scope=scope)
    assert request.content == content
    assert request.headers == ({} if content_type is None else {"Content-Type": content_type})


async def test_a_content_type_of_ones_own_is_kept() -> None:
    request = await send({"body": {"a": 1}, "headers": {"content-TYPE": "application/vnd.api+json"}})
    assert request.headers == {"content-TYPE": "resolved(application/vnd.api+json)"}


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\x7f", "snow \u2603", "\u2028"]
)
async def test_no_header_carries_a_line_break_or_more_than_latin_1(value: str) -> None:
    context = FakeContext()
    with pytest.raises(NodeError, match="X-Name") as caught:
        await KIND.run(HttpRequestConfig(url=URL, headers={"X-Name": value}), context)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.HTTP_STATUS, False)
    assert context.sent == []


@pytest.mark.parametrize(
    ("content", "content_type", "body"),
    [
        (b'{"a": [1, null]}', "application/json", {"a": [1, None]}),
        (b"\xef\xbb\xbf[1]", "Application/JSON; charset=UTF-8", [1]),
        (b'"\xe4"', "application/problem+json; charset=latin-1", "ä"),
        (b"null", "application/json", None),
        (b"", "application/json", ""),
        (b"{broken", "application/json", "{broken"),
        (b"NaN", "application/json", "NaN"),
        (b"[1e999]", "application/json", "[1e999]"),
        (b"[" * 5000, "application/json", "[" * 5000),
        (b"[" * 200 + b"]" * 200, "application/json", "[" * 200 + "]" * 200),
        (b"9" * 5000, "application/json", "9" * 5000),
        (b'{"a": 1}', "text/plain", '{"a": 1}'),
        (b'{"a": 1}', None, '{"a": 1}'),
        ("Grüße".encode(), None, "Grüße"),
        ("Grüße".encode(), "text/html", "Grüße"),
        (b"Gr\xfc\xdfe", "text/html; charset=ISO-8859-1", "Grüße"),
        ("日本".encode("shift_jis"), 'text/html; charset="Shift_JIS"', "日本"),
        ("Grüße".encode("utf-16"), "text/plain; charset=utf-16", "Grüße"),
        (b"Gr\xfc", "text/plain", "Gr�"),
        (b"a", "text/plain; charset=klingon", "a"),
        (b"a", "text/plain; charset=idna", "a"),
        (b"a", "text/plain; charset=undefined", "a"),
        (b"YQ==", "text/plain; charset=base64", "YQ=="),
        (b"a\x00", "; charset=\x00", "a\x00"),
    ],
)
async def test_bodies_of_answers(content: bytes, content_type: str | None, body: JsonValue) -> None:
    output = (await receive(content, content_type)).output
    headers = {} if content_type is None else {"content-type": content_type}
    assert output == {"status": 200, "headers": headers, "body": body}
    json.dumps(output, allow_nan=False)


CODECS = sorted(set(aliases.values()))


@settings(deadline=None)
@given(st.binary(), st.text(st.characters(max_codepoint=255)) | st.sampled_from(CODECS))
def test_any_answer_can_be_stored(content: bytes, said: str) -> None:
    for content_type in (said, f"application/json; charset={said}"):
        output = asyncio.run(receive(content, content_type)).output
        json.dumps(output, allow_nan=False)


@pytest.mark.parametrize("status", [200, 204, 302, 399])
async def test_anything_below_400_is_a_result(status: int) -> None:
    output = (await receive(b"x", status=status)).output
    assert isinstance(output, dict)
    assert output["status"] == status


@pytest.mark.parametrize(
    ("status", "retried"),
    [
        (400, False),
        (401, False),
        (404, False),
        (408, True),
        (425, False),
        (429, True),
        (500, True),
        (599, True),
    ],
)
async def test_from_400_on_the_node_fails_and_says_why(status: int, retried: bool) -> None:
    answers = HttpAnswer(
        host="web.example",
        status=status,
        headers={"content-type": "application/json"},
        content=b'{"detail":\n "no ' + b"x" * 1000 + b'"}',
        retry_after=7,
    )
    with pytest.raises(NodeError, match=rf"web.example answered {status}.*It says: .*no x+…$") as caught:
        await KIND.run(HttpRequestConfig(url=URL), FakeContext(answers=answers))
    error = caught.value
    assert (error.code, error.retryable, error.retry_after) == (ErrorCode.HTTP_STATUS, retried, 7)
    assert len(error.message) < 400


async def test_a_page_is_no_reason() -> None:
    with pytest.raises(NodeError) as caught:
        await receive(b"<html>Not found</html>", status=404)
    assert caught.value.message == "web.example answered 404 Not Found. Check the request."


def test_good_configurations() -> None:
    HttpRequestConfig.model_validate({"url": "{{variables.url}}"})
    HttpRequestConfig.model_validate({"url": "x", "headers": {"X_a-1!": ""}, "query": {"": ""}, "body": None})


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"url": None}, ("url",)),
        ({"url": ""}, ("url",)),
        ({"url": " \n"}, ("url",)),
        ({"method": "get"}, ("method",)),
        ({"method": "CONNECT"}, ("method",)),
        ({"headers": {"X": 1}}, ("headers", "X")),
        ({"headers": {"": "x"}}, ("headers",)),
        ({"headers": {"X Y": "x"}}, ("headers",)),
        ({"headers": {"X:": "x"}}, ("headers",)),
        ({"headers": {"X\r\nY": "x"}}, ("headers",)),
        ({"headers": {"Ä": "x"}}, ("headers",)),
        ({"headers": {"HOST": "x"}}, ("headers",)),
        ({"headers": {"Transfer-Encoding": "chunked"}}, ("headers",)),
        ({"headers": {"content-length": "1"}}, ("headers",)),
        ({"query": {"page": 1}}, ("query", "page")),
        ({"body": 1}, ("body",)),
        ({"body": True}, ("body",)),
        ({"timeout": 1}, ("timeout",)),
    ],
)
def test_bad_configurations_name_the_place(config: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpRequestConfig.model_validate({"url": URL, **config})
    assert [error["loc"] for error in caught.value.errors()] == [place]
