"""Runs survive the death of everything, and of everything one by one."""

import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos.conftest import Endpoint, Lives
from tests.support.supervised import alive

TEMPLATE = "sales-inquiry-pipeline"
INQUIRY = "We are a hospital with 2,000 beds and look for a supplier of 400 tablets."
BACK_WITHIN = 15


@pytest.mark.parametrize("number", range(5))
def test_a_run_survives_kill_9_of_everything(lives: Lives, endpoint: Endpoint, number: int) -> None:
    moment = random.uniform(0.2, 5.0)
    product = lives.now
    execution = product.execute(product.create(TEMPLATE), f"{INQUIRY} ({number})")
    time.sleep(moment)
    processes = product.processes()
    product.kill_group()
    if number % 2:
        # PostgreSQL and Temporal have process groups of their own and would shut down in good order.
        for process in processes:
            if alive(process):
                process.kill()
    died_at = datetime.now(UTC)
    calls_before = len(endpoint.calls())

    product = lives.again()
    ended = product.finish(execution)

    events = product.events(execution)
    told = f"killed {moment:.2f} s after the start: {[(e['type'], e['node_id']) for e in events]}"
    assert ended["status"] == "completed", told
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1)), told
    assert events[-1]["type"] == "execution_completed", told
    completed = [event["node_id"] for event in events if event["type"] == "node_completed"]
    assert len(completed) == len(set(completed)), told
    prompts = prompts_of(ended)
    saved = {
        event["node_id"]
        for event in events
        if event["type"] == "node_completed" and datetime.fromisoformat(event["timestamp"]) < died_at
    }
    asked_again = {prompts.get(call["system"]) for call in endpoint.calls()[calls_before:]}
    assert asked_again.isdisjoint(saved), told
    attempts = sum(
        event["type"] == "node_started" and event["node_id"] in prompts.values() for event in events
    )
    assert len(calls_of(endpoint, number)) <= attempts, told


@pytest.mark.parametrize("victim", ["postgres", "temporal", "the worker"])
def test_a_run_goes_on_when_one_server_is_killed(lives: Lives, victim: str) -> None:
    product = lives.now
    execution = product.execute(product.create(TEMPLATE), INQUIRY)
    product.wait_for(lambda: "node_started" in types(product.events(execution)), 20, "first node")
    if victim == "the worker":
        process = product.find("granian").children()[-1]
    else:
        process = product.find(victim)
    process.kill()
    killed_at = time.monotonic()
    product.wait_for(lambda: not alive(process) and product.healthy(), BACK_WITHIN, "return of " + victim)
    assert time.monotonic() - killed_at < BACK_WITHIN
    assert product.finish(execution)["status"] == "completed"
    events = product.events(execution)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))


def prompts_of(execution: dict[str, Any]) -> dict[str, str]:
    """The agents of its graph by system prompt."""
    agents = [node for node in execution["graph"]["nodes"] if node["kind"] == "ai_agent"]
    return {node["config"]["system_prompt"]: node["id"] for node in agents}


def calls_of(endpoint: Endpoint, number: int) -> list[dict[str, Any]]:
    """The calls that carry this run's input."""
    return [call for call in endpoint.calls() if f"({number})" in call["user"]]


def types(events: list[dict[str, Any]]) -> list[str]:
    """The events' types."""
    return [event["type"] for event in events]
