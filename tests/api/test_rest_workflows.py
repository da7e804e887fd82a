"""Workflows over REST."""

import asyncio
import json
from typing import Any

import httpx2

from tests.studio.serving import broken, runnable

NOBODY = "00000000-0000-4000-8000-000000000000"


async def create(client: httpx2.AsyncClient, graph: Any = None, **more: Any) -> dict[str, Any]:
    body = {"graph": runnable() if graph is None else graph, **more}
    response = await client.post("/api/workflows", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def test_a_workflow_lives(client: httpx2.AsyncClient) -> None:
    created = await client.post("/api/workflows", json={"graph": runnable()})
    made = created.json()
    assert created.status_code == 201
    assert created.headers["etag"] == '"1"'
    assert created.headers["location"] == f"/api/workflows/{made['id']}"
    assert made.keys() == {
        "id",
        "name",
        "graph",
        "revision",
        "published_version",
        "created_at",
        "updated_at",
    }
    assert (made["name"], made["revision"], made["published_version"]) == ("Small", 1, None)
    assert made["graph"] == runnable()

    read = await client.get(f"/api/workflows/{made['id']}")
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, made, '"1"')

    replaced = await client.put(f"/api/workflows/{made['id']}", json={"graph": runnable("Other")})
    assert (replaced.status_code, replaced.headers["etag"]) == (200, '"2"')
    assert (replaced.json()["name"], replaced.json()["revision"]) == ("Other", 2)

    assert (await client.delete(f"/api/workflows/{made['id']}")).status_code == 204
    for response in (
        await client.get(f"/api/workflows/{made['id']}"),
        await client.delete(f"/api/workflows/{made['id']}"),
        await client.put(f"/api/workflows/{made['id']}", json={"graph": {}}),
        await client.post(f"/api/workflows/{made['id']}/execute"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_any_object_is_a_draft(client: httpx2.AsyncClient) -> None:
    for graph in (
        {},
        broken(),
        {"name": 7, "nodes": "none", "edges": None, "unknown": [1, {"deep": [None]}]},
        {"text": "\u0000 \U0001f600 é", "b": 1, "a": 2, "whole": 1.0, "big": 2**70, "tiny": 1e-300},
    ):
        made = await create(client, graph=graph)
        read = (await client.get(f"/api/workflows/{made['id']}")).json()
        assert json.dumps(read["graph"]) == json.dumps(graph), "the order of keys counts"
        assert isinstance(read["name"], str)


async def test_a_name_beside_the_graph_overwrites_it(client: httpx2.AsyncClient) -> None:
    made = await create(client, name="Outside")
    assert (made["name"], made["graph"]["name"]) == ("Outside", "Outside")
    path = f"/api/workflows/{made['id']}"
    kept = (await client.put(path, json={"graph": runnable("Inside")})).json()
    assert (kept["name"], kept["graph"]["name"]) == ("Inside", "Inside")
    emptied = (await client.put(path, json={"graph": runnable("Inside"), "name": ""})).json()
    assert (emptied["name"], emptied["graph"]["name"]) == ("", "")


async def test_if_match(client: httpx2.AsyncClient) -> None:
    for if_match in ('"1"', 'W/"1"', "*", '"7", "1"', "1"):
        path = f"/api/workflows/{(await create(client))['id']}"
        response = await client.put(path, json={"graph": {}}, headers={"If-Match": if_match})
        assert response.status_code == 200, if_match
    made = await create(client)
    path = f"/api/workflows/{made['id']}"
    for if_match in ('"2"', '"one"', "", '"99999999999999999999"', '"²"'):
        headers = [(b"If-Match", if_match.encode("latin-1"))]
        response = await client.put(path, json={"graph": {}}, headers=headers)
        assert response.status_code == 409, if_match
        assert response.json()["code"] == "revision_conflict"
        assert response.json()["details"] == {"revision": 1}
    assert (await client.get(path)).json() == made


async def test_of_concurrent_changes_on_one_revision_one_wins(client: httpx2.AsyncClient) -> None:
    made = await create(client)
    responses = await asyncio.gather(
        *(
            client.put(f"/api/workflows/{made['id']}", json={"graph": {"n": n}}, headers={"If-Match": '"1"'})
            for n in range(5)
        )
    )
    assert sorted(response.status_code for response in responses) == [200, 409, 409, 409, 409]


async def test_a_list_comes_newest_first_in_pages(client: httpx2.AsyncClient) -> None:
    made = [(await create(client, name=str(number)))["id"] for number in range(5)]
    seen: list[str] = []
    cursor = None
    for expected in (2, 2, 1):
        page = (
            await client.get("/api/workflows", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ).json()
        assert len(page["items"]) == expected
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == made[::-1]


async def test_a_wrong_page_is_refused(client: httpx2.AsyncClient) -> None:
    for query in ("limit=0", "limit=201", "limit=x", "limit=1.5", "cursor=nonsense", "cursor="):
        response = await client.get(f"/api/workflows?{query}")
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request"), query
        assert response.json()["details"]["errors"][0]["where"]


async def test_validate_tells_every_problem(client: httpx2.AsyncClient) -> None:
    made = await create(client, graph=broken())
    response = await client.post(f"/api/workflows/{made['id']}/validate")
    problems = response.json()["problems"]
    assert response.status_code == 200
    assert {"unknown_kind", "unknown_node"} <= {problem["code"] for problem in problems}
    assert all(problem["message"] and None not in problem.values() for problem in problems)
    good = await create(client)
    assert (await client.post(f"/api/workflows/{good['id']}/validate")).json() == {"problems": []}


async def test_versions_stay_as_they_were_published(client: httpx2.AsyncClient) -> None:
    made = await create(client)
    path = f"/api/workflows/{made['id']}"
    assert (await client.get(f"{path}/versions")).json() == {"items": [], "next_cursor": None}
    first = await client.post(f"{path}/publish")
    assert (first.status_code, first.json()["version"]) == (201, 1)
    assert first.json()["graph"] == runnable()
    await client.put(path, json={"graph": broken()})
    assert (await client.post(f"{path}/publish")).json()["version"] == 2
    await client.post(f"{path}/publish")
    assert (await client.get(path)).json()["published_version"] == 3

    page = (await client.get(f"{path}/versions", params={"limit": 2})).json()
    assert [item["version"] for item in page["items"]] == [3, 2]
    assert [item["name"] for item in page["items"]] == ["Broken", "Broken"]
    rest = (await client.get(f"{path}/versions", params={"cursor": page["next_cursor"]})).json()
    assert ([item["version"] for item in rest["items"]], rest["next_cursor"]) == ([1], None)
    wrong = await client.get(f"{path}/versions", params={"cursor": "-1"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


async def test_nothing_is_found_under_an_unknown_id(client: httpx2.AsyncClient) -> None:
    await create(client)
    for workflow_id in (
        NOBODY,
        "nonsense",
        "%00",
        "%F0%9F%98%80",
        "0" * 5000,
        NOBODY.replace("-", ""),
        f"%7B{NOBODY}%7D",
    ):
        for method, path in (
            ("GET", ""),
            ("PUT", ""),
            ("DELETE", ""),
            ("POST", "/validate"),
            ("POST", "/publish"),
            ("GET", "/versions"),
            ("POST", "/execute"),
        ):
            body = {"graph": {}} if method == "PUT" else None
            response = await client.request(method, f"/api/workflows/{workflow_id}{path}", json=body)
            assert response.status_code == 404, (method, path, workflow_id)
            assert response.json().keys() == {"code", "message", "details"}
            assert response.json()["code"] == "not_found"
