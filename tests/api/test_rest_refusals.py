"""What the API refuses, and how it says so."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from starlette.types import Message

from aistudio.api.app import UnderApi, create_api
from aistudio.studio.studio import Studio
from tests.studio.serving import NOWHERE_DATABASE, NOWHERE_TEMPORAL, runnable, studio_on

NOBODY = "00000000-0000-4000-8000-000000000000"
MIB = 1024 * 1024


def assert_refused(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == {"code", "message", "details"}
    assert body["code"] == code
    assert body["message"]
    assert isinstance(body["details"], dict)
    return body


NO_JSON = [
    b"{",
    b"nonsense",
    b'{"graph": {}} x',
    b'{"graph": {"a": NaN}}',
    b'{"graph": {"a": Infinity}}',
    b'{"graph": {"a": -Infinity}}',
    b"{'graph': {}}",
    b'{"graph": {"a": 01}}',
    b'{"graph": {"a": "\x01"}}',
    b'{"graph": {"a": "\xff"}}',
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"[" * 100_000,
    b'{"graph": ' + b"[" * 100_000 + b"1 1" + b"]" * 100_000 + b"}",
    b'{"a":' * 100_000 + b"]" * 100_000,
    '{"graph": {}}'.encode("utf-16"),
]

NO_REQUEST = [
    (b"", "body.graph"),
    (b"{}", "body.graph"),
    (b"[]", "body"),
    (b"null", "body"),
    (b"7", "body"),
    (b'{"graph": []}', "body.graph"),
    (b'{"graph": null}', "body.graph"),
    (b'{"graph": "{}"}', "body.graph"),
    (b'{"graph": {}, "name": null}', "body.name"),
    (b'{"graph": {}, "name": 7}', "body.name"),
    (b'{"graph": {}, "nmae": "x"}', "body.nmae"),
    (b'{"graph": {"a": "\\ud800"}}', "body"),
    (b'{"graph": {"\\udc00": 1}}', "body"),
    (b'{"graph": {"a": 1e400}}', "body"),
    (b'{"graph": {"a": ' + b"9" * 5000 + b"}}", "body"),
    (b'{"graph": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}", "body"),
    (b'{"graph": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "body"),
]


async def test_what_is_no_json(client: httpx2.AsyncClient) -> None:
    for body in NO_JSON:
        assert_refused(await client.post("/api/workflows", content=body), 400, "malformed_json")


async def test_json_that_is_no_request(client: httpx2.AsyncClient) -> None:
    for body, where in NO_REQUEST:
        response = await client.post("/api/workflows", content=body)
        refusal = assert_refused(response, 422, "invalid_request")
        assert refusal["details"]["errors"][0]["where"] == where


async def test_deep_json_below_the_limit_is_kept(client: httpx2.AsyncClient) -> None:
    deep: Any = 1
    for _ in range(190):
        deep = [deep]
    created = await client.post("/api/workflows", json={"graph": {"deep": deep}})
    assert created.status_code == 201
    workflow = f"/api/workflows/{created.json()['id']}"
    assert (await client.get(workflow)).json()["graph"] == {"deep": deep}
    assert (await client.post(f"{workflow}/validate")).json()["problems"]
    assert_refused(await client.post(f"{workflow}/execute"), 422, "invalid_graph")


async def pieces(size: int) -> AsyncIterator[bytes]:
    yield b'{"graph": {"a": "'
    for _ in range(size // 65_536):
        yield b"x" * 65_536
    yield b'"}}'


async def test_a_body_may_be_2_mib(server: httpx2.AsyncClient) -> None:
    """Behind a real server, where a client that is not heard out sees a broken connection."""
    start, end = b'{"graph": {"a": "', b'"}}'
    full = start + b"x" * (2 * MIB - len(start) - len(end)) + end
    assert (await server.post("/api/workflows", content=full)).status_code == 201
    over = assert_refused(await server.post("/api/workflows", content=full + b" "), 413, "too_large")
    assert over["details"] == {"limit_bytes": 2 * MIB}
    assert_refused(await server.post("/api/workflows", content=b"x" * 10 * MIB), 413, "too_large")
    assert_refused(await server.post("/api/workflows", content=pieces(10 * MIB)), 413, "too_large")
    assert (await server.post("/api/workflows", content=pieces(MIB))).status_code == 201
    for path in (f"/api/workflows/{NOBODY}/publish", "/api/nothing"):
        assert_refused(await server.post(path, content=b"x" * 10 * MIB), 413, "too_large")
        assert_refused(await server.post(path, content=b"x" * MIB), 404, "not_found")


async def test_paths_and_methods(client: httpx2.AsyncClient) -> None:
    for method, path, status, code in (
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api", 404, "not_found"),
        ("GET", "/api/workflows/", 404, "not_found"),
        ("POST", f"/api/executions/{NOBODY}/rerun", 404, "not_found"),
        ("PATCH", "/api/workflows", 405, "method_not_allowed"),
        ("DELETE", "/api/health", 405, "method_not_allowed"),
        ("GET", f"/api/workflows/{NOBODY}/execute", 405, "method_not_allowed"),
        ("GET", "/api/docs/nothing.js", 404, "not_found"),
        ("GET", "/api/templates/nothing", 404, "not_found"),
    ):
        assert_refused(await client.request(method, path), status, code)
    refused = await client.patch(f"/api/workflows/{NOBODY}")
    assert refused.headers["allow"] == "DELETE, GET, PUT"


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_bug(studio: Studio) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"graph": ', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    scope = {"type": "http", "method": "POST", "path": "/api/workflows", "headers": headers}
    scope |= {"client": ("127.0.0.1", 1)}
    # A bug would be raised again after its answer, for the server to log.
    await create_api(lambda: studio)(scope | {"query_string": b"", "http_version": "1.1"}, receive, send)
    assert not messages
    assert sent[0]["status"] == 400


async def test_a_bug_tells_nothing_of_our_insides() -> None:
    def no_studio() -> Studio:
        raise RuntimeError("secret")

    transport = httpx2.ASGITransport(app=create_api(no_studio), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://studio") as client:
        response = await client.get("/api/node-kinds")
    assert_refused(response, 500, "internal")
    assert "secret" not in response.text


async def test_only_api_paths_go_to_the_api(studio: Studio) -> None:
    async def rest(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = UnderApi(create_api(lambda: studio), rest)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://studio") as client:
        found = {
            path: (await client.get(path)).status_code
            for path in ("/", "/apix", "/w/api/x", "/api", "/api/x", "/api/node-kinds")
        }
    assert [path for path, status in found.items() if status == 299] == ["/", "/apix", "/w/api/x"]
    assert found["/api/node-kinds"] == 200


async def test_postgresql_down(temporal_address: str) -> None:
    async with studio_on(NOWHERE_DATABASE, temporal_address) as studio:
        transport = httpx2.ASGITransport(app=create_api(lambda: studio))
        async with httpx2.AsyncClient(transport=transport, base_url="http://studio") as client:
            for method, path, body in (
                ("GET", "/api/workflows", None),
                ("POST", "/api/workflows", {"graph": {}}),
                ("GET", f"/api/workflows/{NOBODY}", None),
                ("POST", f"/api/workflows/{NOBODY}/execute", {}),
                ("GET", f"/api/executions/{NOBODY}", None),
                ("DELETE", f"/api/executions/{NOBODY}", None),
                ("GET", f"/api/executions/{NOBODY}/stream", None),
                ("GET", "/api/health/live", None),
            ):
                refusal = assert_refused(await client.request(method, path, json=body), 503, "unavailable")
                assert "PostgreSQL" in refusal["message"]
            health = await client.get("/api/health")
            assert (health.status_code, health.json()["status"]) == (503, "unavailable")
            assert "PostgreSQL" in health.json()["checks"]["database"]
            assert health.json()["checks"]["temporal"] == "ok"
            assert (await client.get("/api/node-kinds")).status_code == 200


async def test_temporal_down(database_url: str) -> None:
    async with studio_on(database_url, NOWHERE_TEMPORAL) as studio:
        transport = httpx2.ASGITransport(app=create_api(lambda: studio))
        async with httpx2.AsyncClient(transport=transport, base_url="http://studio") as client:
            made = (await client.post("/api/workflows", json={"graph": runnable()})).json()
            path = f"/api/workflows/{made['id']}/execute"
            refusal = assert_refused(await client.post(path), 503, "unavailable")
            assert "Temporal" in refusal["message"]
            assert (await client.get("/api/executions")).json()["items"] == []
            health = await client.get("/api/health")
            assert health.status_code == 503
            assert health.json()["checks"].keys() == {"database", "schema", "temporal"}
            assert "Temporal" in health.json()["checks"]["temporal"]
            assert health.json()["checks"]["database"] == "ok"


async def test_health_and_catalog(client: httpx2.AsyncClient) -> None:
    health = await client.get("/api/health")
    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    assert health.json()["checks"] == {"database": "ok", "schema": "ok", "temporal": "ok"}
    assert (await client.get("/api/health/live")).json() == {"status": "ok"}

    kinds = {kind["name"]: kind for kind in (await client.get("/api/node-kinds")).json()["items"]}
    assert {"trigger", "ai_agent", "decision", "visualize"} <= kinds.keys()
    assert kinds["ai_agent"]["config_schema"]["properties"]["system_prompt"]
    templates = (await client.get("/api/templates")).json()["items"]
    assert templates[0]["slug"] == "sales-inquiry-pipeline"
    assert len({item["slug"] for item in templates}) == 7
    for template in templates:
        whole = (await client.get(f"/api/templates/{template['slug']}")).json()
        assert whole["graph"]["nodes"]
        assert {key: whole[key] for key in template} == template


async def test_the_documentation_needs_nothing_from_elsewhere(client: httpx2.AsyncClient) -> None:
    page = await client.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "://" not in page.text
    assert "<script>" not in page.text
    for path, kind in (
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("start.js", "text/javascript"),
        ("favicon-32x32.png", "image/png"),
    ):
        assert f'"/api/docs/{path}"' in page.text
        file = await client.get(f"/api/docs/{path}")
        assert (file.status_code, file.headers["content-type"].split(";")[0]) == (200, kind)
    openapi = (await client.get("/api/openapi.json")).json()
    assert openapi["openapi"].startswith("3.1")
    assert all(path.startswith("/api/") for path in openapi["paths"])
    assert "/api/openapi.json" in (await client.get("/api/docs/start.js")).text
    assert json.dumps(openapi).count("HTTPValidationError") == 0
    for operations in openapi["paths"].values():
        for operation in operations.values():
            assert '"null"' not in json.dumps(operation.get("parameters", []))
            for status, answer in operation["responses"].items():
                assert status == "204" or answer["content"], "an answer without a schema promises nothing"


async def test_a_monitor_may_ask_for_the_status_alone(server: httpx2.AsyncClient) -> None:
    for path in ("/api/health", "/api/health/live"):
        answer = await server.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
